#include "sys/git_url.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/suggest.h"
#include "sys/files.h"

namespace slipway::git {

namespace {

const std::map<std::string, int> kPorts = {
    {"http", 80}, {"https", 443}, {"ssh", 22}, {"git", 9418}, {"file", 0}};

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool all_of(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || others.find(c) != std::string_view::npos;
  });
}

[[noreturn]] void refuse(const std::string& text, const std::string& why, const std::string& hint = {}) {
  throw Error(ExitCode::usage, fmt::format("`{}` is no git URL: {}", escaped(text), why)).hint(hint);
}

// "user@host:port" into `url`.
void parse_authority(GitUrl& url, std::string_view authority, const std::string& text) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    url.user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    if (url.user.find(':') != std::string::npos) {
      // The text is not repeated: it would put the password on the screen.
      throw Error(ExitCode::usage, fmt::format("the git URL of `{}` holds a password", authority))
          .hint("give it as the source's `token`, a secret");
    }
    if (url.user.empty() || url.user.starts_with('-') || !all_of(url.user, "._-+~"))
      refuse(text, fmt::format("`{}` is no user", escaped(url.user)));
  }
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos || !all_of(authority.substr(1, end - 1), ":.%"))
      refuse(text, "its host is no address");
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
  } else {
    const auto colon = authority.find(':');
    url.host = authority.substr(0, colon);
    authority.remove_prefix(std::min(colon, authority.size()));
    if (url.host.starts_with('-')) refuse(text, "its host begins with `-`");
    if (!all_of(url.host, ".-_")) refuse(text, fmt::format("`{}` is no host", escaped(url.host)));
  }
  std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (authority.empty()) return;
  authority.remove_prefix(1);
  if (authority.empty()) return;
  if (authority.size() > 5 || !std::all_of(authority.begin(), authority.end(), ::isdigit) ||
      std::stoi(std::string(authority)) < 1 || std::stoi(std::string(authority)) > 65535)
    refuse(text, fmt::format("`{}` is no port", authority));
  url.port = std::stoi(std::string(authority));
}

GitUrl local_url(const fs::path& path) {
  GitUrl url;
  url.scheme = "file";
  url.path = path.lexically_normal();
  while (url.path.size() > 1 && url.path.ends_with('/')) url.path.pop_back();
  url.text = url.path;
  return url;
}

std::string percent_decoded(std::string_view text, const std::string& whole) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !std::isxdigit(static_cast<unsigned char>(text[i + 2])))
      refuse(whole, "a `%` in it stands alone");
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

GitUrl with_scheme(const std::string& text, std::size_t colon) {
  GitUrl url;
  url.scheme = text.substr(0, colon);
  const auto port = kPorts.find(url.scheme);
  if (port == kPorts.end()) {
    std::vector<std::string> known;
    for (const auto& [name, number] : kPorts) known.push_back(name);
    refuse(text, fmt::format("`{}` is not a scheme that slipway speaks", url.scheme),
           suggestion_hint(url.scheme, known));
  }
  url.port = port->second;
  const auto rest = std::string_view(text).substr(colon + 3);
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto authority = rest.substr(0, slash);
  if (url.local()) {
    if (!authority.empty() && authority != "localhost") refuse(text, "a file URL names no other machine");
    const auto path = percent_decoded(rest.substr(slash), text);
    if (path.empty() || has_control(path)) refuse(text, "it holds no path");
    return local_url(path);
  }
  parse_authority(url, authority, text);
  if (url.host.empty()) refuse(text, "it has no host");
  url.path = rest.substr(slash);
  if (url.path.size() < 2) refuse(text, "it has no path");
  if (has_control(percent_decoded(url.path, text))) refuse(text, "it holds a control character");
  url.text = text;
  return url;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

GitUrl parse_url(const std::string& text, const fs::path& base) {
  if (text.empty()) refuse(text, "it is empty");
  if (has_control(text)) refuse(text, "it holds a control character");
  if (text.starts_with('-')) refuse(text, "it begins with `-`");
  const auto scheme_end = text.find("://");
  const auto helper = text.find("::");
  // git-remote-helpers(7): "NAME::ADDRESS" starts the program git-remote-NAME.
  if (helper != std::string::npos && helper < scheme_end && helper > 0 &&
      all_of(text.substr(0, helper), "+.-"))
    refuse(text, fmt::format("`{}::` would run a program", text.substr(0, helper)));
  if (scheme_end != std::string::npos) return with_scheme(text, scheme_end);
  // git-clone(1): "host:path" is SSH when no '/' comes before the first ':'.
  const auto colon = text.find(':');
  if (colon == std::string::npos || text.find('/') < colon || fs::exists(base / text))
    return local_url(base / text);
  GitUrl url;
  url.scheme = "ssh";
  url.port = 22;
  auto authority = std::string_view(text).substr(0, colon);
  if (text.starts_with('[')) refuse(text, "write it as ssh://HOST:PORT/PATH");
  parse_authority(url, authority, text);
  url.path = text.substr(colon + 1);
  if (url.host.empty()) refuse(text, "it has no host");
  if (url.path.empty()) refuse(text, "it has no path");
  if (url.path.starts_with('-')) refuse(text, "its path begins with `-`");
  url.text = text;
  return url;
}

GitUrl submodule_url(const GitUrl& parent, const std::string& text) {
  if (!text.starts_with("./") && !text.starts_with("../")) {
    auto url = parse_url(text, "/");
    if (url.local() && !parent.local())
      throw Error(ExitCode::usage,
                  fmt::format("the submodule URL `{}` points into this machine, but it comes from `{}`",
                              escaped(text), parent.text));
    return url;
  }
  std::string base = parent.text, rest = text;
  while (base.ends_with('/')) base.pop_back();
  // Of "https://host/a/b" only "/a/b" may be climbed; of "host:a/b" only "a/b".
  const auto scheme = base.find("://");
  const auto root = parent.local()                ? 0
                    : scheme == std::string::npos ? base.find(':')
                                                  : base.find('/', scheme + 3);
  for (;;) {
    if (rest.starts_with("./")) {
      rest.erase(0, 2);
    } else if (rest.starts_with("../")) {
      rest.erase(0, 3);
      const auto slash = base.rfind('/');
      const auto cut = slash == std::string::npos || slash < root ? root : slash;
      if (cut == std::string::npos || base.size() <= cut + 1)
        throw Error(ExitCode::usage,
                    fmt::format("the submodule URL `{}` climbs out of `{}`", escaped(text), parent.text));
      base.erase(cut == root && base[cut] == ':' ? cut + 1 : cut);
    } else {
      break;
    }
  }
  return parse_url(base.ends_with(':') ? base + rest : base + "/" + rest, "/");
}

void check_ref(const std::string& ref) {
  const auto refuse_ref = [&](const char* why) {
    throw Error(ExitCode::usage, fmt::format("`{}` is no branch, tag or commit: {}", escaped(ref), why));
  };
  if (ref.empty()) return;
  if (ref.starts_with('-')) refuse_ref("it begins with `-`");
  if (has_control(ref)) refuse_ref("it holds a control character");
  // git-check-ref-format(1)
  if (ref.find_first_of(" ~^:?*[\\") != std::string::npos || ref.find("..") != std::string::npos ||
      ref.find("@{") != std::string::npos || ref.find("//") != std::string::npos || ref.starts_with('/') ||
      ref.ends_with('/') || ref.ends_with('.') || ref.ends_with(".lock") || ref.size() > 1000)
    refuse_ref("git allows no such name");
}

bool is_safe_submodule_path(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.front() == '-' || has_control(path)) return false;
  for (const auto& part : fs::path(path)) {
    auto name = part.string();
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name == ".." || name == "." || name == ".git") return false;
  }
  return true;
}

}  // namespace slipway::git
