#include "plugins/debian/sources.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"
#include "sys/digest.h"
#include "sys/files.h"

namespace slipway::debian {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> out;
  for (std::string word; stream >> word;) out.push_back(word);
  return out;
}

std::string joined(const std::vector<std::string>& words, std::size_t from = 0) {
  std::string out;
  for (auto i = from; i < words.size(); ++i) out += (out.empty() ? "" : " ") + words[i];
  return out;
}

std::vector<AptSource> read_lines(std::string_view text) {
  std::vector<AptSource> out;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) {
    line = line.substr(0, line.find('#'));
    AptSource source;
    if (const auto open = line.find('['), close = line.find(']');
        open != std::string::npos && close != std::string::npos) {
      source.options = joined(words_of(line.substr(open + 1, close - open - 1)));
      line = line.substr(0, open) + " " + line.substr(close + 1);
    }
    const auto words = words_of(line);
    if (words.size() < 3 || words[0] != "deb") continue;
    source.uri = words[1];
    source.suite = words[2];
    source.components = joined(words, 3);
    out.push_back(std::move(source));
  }
  return out;
}

using Stanza = std::map<std::string, std::string>;  // lower-case field → value, its lines joined by newlines

std::vector<Stanza> stanzas(std::string_view text) {
  std::vector<Stanza> out(1);
  std::string field;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with('#')) continue;
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      if (!out.back().empty()) out.emplace_back();
      field.clear();
    } else if (line[0] == ' ' || line[0] == '\t') {
      if (!field.empty()) out.back()[field] += "\n" + line.substr(1);
    } else if (const auto colon = line.find(':'); colon != std::string::npos) {
      field = line.substr(0, colon);
      std::transform(field.begin(), field.end(), field.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      const auto value = line.substr(colon + 1);
      out.back()[field] = value.substr(std::min(value.find_first_not_of(" \t"), value.size()));
    }
  }
  return out;
}

std::string options_of(const Stanza& stanza, const fs::path& keys_dir) {
  static const std::map<std::string, std::string> names = {
      {"trusted", "trusted"}, {"architectures", "arch"}, {"check-valid-until", "check-valid-until"}};
  std::vector<std::string> out;
  for (const auto& [field, option] : names)
    if (const auto it = stanza.find(field); it != stanza.end()) {
      auto words = words_of(it->second);
      std::string value;
      for (const auto& word : words) value += (value.empty() ? "" : ",") + word;
      out.push_back(option + "=" + value);
    }
  if (const auto it = stanza.find("signed-by"); it != stanza.end()) {
    auto path = it->second;
    if (path.find("BEGIN PGP") != std::string::npos) {
      // A blank line is written as " ." within a field.
      std::string key = path, text;
      std::istringstream stream(key);
      for (std::string line; std::getline(stream, line);) text += (line == "." ? "" : line) + "\n";
      const auto file = keys_dir / (Digest::of(text).short_hex() + ".asc");
      make_dirs(keys_dir);
      write_file_atomic(file, text);
      path = file.string();
    }
    out.push_back("signed-by=" + joined(words_of(path)));
  }
  return joined(out);
}

std::vector<AptSource> read_stanzas(std::string_view text, const fs::path& keys_dir) {
  std::vector<AptSource> out;
  for (const auto& stanza : stanzas(text)) {
    const auto field = [&](const char* name) {
      const auto it = stanza.find(name);
      return it == stanza.end() ? std::vector<std::string>{} : words_of(it->second);
    };
    const auto enabled = field("enabled");
    const auto types = field("types");
    if ((!enabled.empty() && enabled[0] == "no") ||
        std::find(types.begin(), types.end(), "deb") == types.end())
      continue;
    for (const auto& uri : field("uris"))
      for (const auto& suite : field("suites"))
        out.push_back({options_of(stanza, keys_dir), uri, suite, joined(field("components"))});
  }
  return out;
}

std::vector<AptSource> machine_sources(const fs::path& apt_dir, const fs::path& keys_dir) {
  std::vector<fs::path> files;
  if (std::error_code ec; fs::exists(apt_dir / "sources.list", ec)) files.push_back(apt_dir / "sources.list");
  std::error_code ec;
  std::vector<fs::path> parts;
  for (fs::directory_iterator it(apt_dir / "sources.list.d", ec), end; !ec && it != end; it.increment(ec))
    parts.push_back(it->path());
  std::sort(parts.begin(), parts.end());
  files.insert(files.end(), parts.begin(), parts.end());
  std::vector<AptSource> out;
  for (const auto& file : files) {
    const bool deb822 = file.extension() == ".sources";
    if (!deb822 && file.extension() != ".list") continue;
    for (auto& source : read_sources(read_file(file, 1u << 20), deb822, keys_dir))
      out.push_back(std::move(source));
  }
  return out;
}

bool of_suite(const AptSource& source, const std::string& suite) {
  return source.suite == suite || source.suite == suite + "-updates" || source.suite == suite + "-security" ||
         source.suite == suite + "/updates";
}

}  // namespace

std::string AptSource::line() const {
  return "deb " + (options.empty() ? "" : "[" + options + "] ") + uri + " " + suite + " " + components;
}

std::vector<AptSource> read_sources(std::string_view text, bool deb822, const fs::path& keys_dir) {
  return deb822 ? read_stanzas(text, keys_dir) : read_lines(text);
}

std::vector<AptSource> sources_for(const std::string& suite, const std::string& mirror,
                                   const fs::path& apt_dir, const fs::path& keys_dir) {
  if (mirror.starts_with("deb ")) return read_lines(mirror);
  if (!mirror.empty()) return {{"", mirror, suite, "main"}};
  const auto all = machine_sources(apt_dir, keys_dir);
  std::vector<AptSource> out;
  for (const auto& source : all)
    if (of_suite(source, suite)) out.push_back(source);
  if (!out.empty()) return out;
  for (const auto& source : all)
    if (source.components.starts_with("main") && source.suite == own_suite())
      return {{source.options, source.uri, suite, "main"}};
  throw Error(ExitCode::unavailable,
              fmt::format("this machine's apt has no source for the suite `{}`", suite))
      .hint("name one with `mirror: http://HOST/debian`");
}

std::string own_suite() {
  std::istringstream stream(read_file_if_exists("/etc/os-release").value_or(""));
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with("VERSION_CODENAME=")) return line.substr(17);
  return "bookworm";
}

}  // namespace slipway::debian
