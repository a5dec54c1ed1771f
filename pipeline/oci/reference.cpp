// Parsing of image references, after the grammar of distribution/reference and Docker's defaults.
#include "oci/reference.h"

#include "base/error.h"

namespace slipway::oci {
namespace {

constexpr std::string_view kDefaultRegistry = "docker.io";
constexpr std::size_t kMaxName = 255;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_alnum(char c) {
  return is_lower_or_digit(c) || is_upper(c);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// The text as an error may show it: short, and without control characters.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 120))
    out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
  if (text.size() > 120) out += "…";
  return out;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why, const std::string& hint = {}) {
  Error error(ExitCode::usage, fmt::format("`{}` is no image reference: {}", shown(text), why));
  error.hint(hint.empty() ? "a reference looks like `registry.example.com/team/app:1.4`" : hint);
  throw error;
}

// alnum parts joined by one '.', one '_', "__", or any number of '-'.
bool is_path_component(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_or_digit(part[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < part.size() && part[end] == part[i]) ++end;
    const std::size_t run = end - i;
    const char c = part[i];
    const bool fits = c == '-' || (c == '.' && run == 1) || (c == '_' && run <= 2);
    if (!fits || !is_lower_or_digit(part[end])) return false;
    i = end;
  }
  return true;
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) return false;
  const int port = std::stoi(std::string(text));
  return port >= 1 && port <= 65535;
}

// "host", "host:5000", "[::1]:5000".
bool is_registry_host(std::string_view host) {
  std::string_view name = host;
  if (host.starts_with('[')) {
    const auto close = host.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : host.substr(1, close - 1))
      if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F') && c != ':' && c != '.')
        return false;
    const auto rest = host.substr(close + 1);
    return rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1)));
  }
  if (const auto colon = host.find(':'); colon != std::string_view::npos) {
    if (!is_port(host.substr(colon + 1))) return false;
    name = host.substr(0, colon);
  }
  if (name.empty()) return false;
  bool after_dot = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool at_end = i + 1 == name.size() || name[i + 1] == '.';
    if (c == '.') {
      if (after_dot) return false;
      after_dot = true;
    } else if (is_alnum(c) || (c == '-' && !after_dot && !at_end)) {
      after_dot = false;
    } else {
      return false;
    }
  }
  return !after_dot;
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > 128 || tag.front() == '.' || tag.front() == '-') return false;
  return std::all_of(tag.begin(), tag.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

// The first component names a registry when it could not be a folder of Docker Hub.
bool looks_like_registry(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string_view::npos ||
         std::any_of(part.begin(), part.end(), is_upper);
}

void check_repository(std::string_view text, std::string_view repository) {
  if (repository.empty()) refuse(text, "it names no repository");
  if (std::any_of(repository.begin(), repository.end(), is_upper)) {
    refuse(text, "the repository must be lower case", fmt::format("write `{}`", shown(lower(repository))));
  }
  std::size_t start = 0;
  while (start <= repository.size()) {
    const auto slash = std::min(repository.find('/', start), repository.size());
    const auto part = repository.substr(start, slash - start);
    if (!is_path_component(part)) {
      refuse(text,
             part.empty() ? std::string("it has an empty path component")
                          : fmt::format("`{}` is no name of a repository", shown(part)),
             "use lower-case letters and digits, separated by `.`, `_`, `__` or `-`");
    }
    start = slash + 1;
  }
}

}  // namespace

Reference Reference::parse(std::string_view text) {
  if (text.empty())
    throw Error(ExitCode::usage, "an image reference is empty").hint("name an image, as in `python:3.11`");
  for (const std::string_view scheme : {"https://", "http://", "docker://"}) {
    if (text.starts_with(scheme)) {
      refuse(text, "it begins with a scheme", fmt::format("leave out `{}`", scheme));
    }
  }
  Reference out;
  std::string_view rest = text;

  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    const auto digest = rest.substr(at + 1);
    out.digest = Digest::parse(digest);
    if (!out.digest) {
      refuse(text, fmt::format("`{}` is no digest", shown(digest)),
             "a digest is `sha256:` and 64 lower-case hexadecimal digits");
    }
    rest = rest.substr(0, at);
  }

  std::string_view path = rest;
  if (const auto slash = rest.find('/');
      slash != std::string_view::npos && looks_like_registry(rest.substr(0, slash))) {
    const auto host = rest.substr(0, slash);
    if (!is_registry_host(host)) refuse(text, fmt::format("`{}` is no registry host", shown(host)));
    out.registry = lower(host);
    path = rest.substr(slash + 1);
  } else {
    out.registry = kDefaultRegistry;
  }
  if (out.registry == "index.docker.io" || out.registry == "registry-1.docker.io")
    out.registry = kDefaultRegistry;

  if (const auto colon = path.find(':'); colon != std::string_view::npos) {
    const auto tag = path.substr(colon + 1);
    if (!is_tag(tag)) {
      refuse(text, fmt::format("`{}` is no tag", shown(tag)),
             "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not begin with `.` or `-`");
    }
    out.tag = tag;
    path = path.substr(0, colon);
  } else if (!out.digest) {
    out.tag = "latest";
  }

  check_repository(text, path);
  out.repository = path;
  if (out.registry == kDefaultRegistry && path.find('/') == std::string_view::npos) {
    out.repository = fmt::format("library/{}", path);
  }
  if (out.name().size() > kMaxName)
    refuse(text, fmt::format("the name is longer than {} characters", kMaxName));
  return out;
}

std::string Reference::str() const {
  std::string out = name();
  if (!tag.empty()) out += ":" + tag;
  if (digest) out += "@" + digest->str();
  return out;
}

std::string Reference::familiar() const {
  std::string out = str();
  for (const std::string_view prefix : {"docker.io/library/", "docker.io/"}) {
    if (!out.starts_with(prefix)) continue;
    const auto shorter = out.substr(prefix.size());
    // "docker.io/library/a/b" may not become "a/b", which is another repository.
    if (prefix == "docker.io/library/" && repository.find('/', 8) != std::string::npos) continue;
    return shorter;
  }
  return out;
}

}  // namespace slipway::oci
