#include "plan/base_images.h"

#include "base/error.h"
#include "oci/reference.h"

namespace slipway {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t from = 0; (from = line.find_first_not_of(" \t\r", from)) != std::string_view::npos;) {
    auto to = line.find_first_of(" \t\r", from);
    if (to == std::string_view::npos) to = line.size();
    words.push_back(line.substr(from, to - from));
    from = to;
  }
  return words;
}

bool is_word(std::string_view text, std::string_view upper) {
  return text.size() == upper.size() &&
         std::equal(text.begin(), text.end(), upper.begin(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
}

}  // namespace

std::string canonical_reference(const std::string& text) {
  try {
    return oci::Reference::parse(text).str();
  } catch (const Error&) {
    return text;
  }
}

std::optional<std::vector<std::string>> base_images(std::string_view dockerfile) {
  std::set<std::string> found, stages = {"scratch"};
  while (!dockerfile.empty()) {
    const auto end = dockerfile.find('\n');
    const auto words = words_of(dockerfile.substr(0, end));
    dockerfile.remove_prefix(end == std::string_view::npos ? dockerfile.size() : end + 1);
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i].starts_with("--from=")) names.push_back(words[i].substr(7));
      if (const auto from = words[i].find("from=");
          words[i].starts_with("--mount=") && from != std::string_view::npos)
        names.push_back(words[i].substr(from + 5, words[i].find(',', from) - from - 5));
    }
    if (!words.empty() && is_word(words[0], "FROM")) {
      std::size_t i = 1;
      while (i < words.size() && words[i].starts_with("--")) ++i;
      if (i < words.size()) names.push_back(words[i]);
    }
    for (auto name : names) {
      if (name.find('$') != std::string_view::npos) return std::nullopt;
      const bool number = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
      if (!number && !stages.contains(std::string(name)))
        found.insert(canonical_reference(std::string(name)));
    }
    // Only now: `FROM base AS base` means the image.
    if (words.size() >= 4 && is_word(words[0], "FROM") && is_word(words[words.size() - 2], "AS"))
      stages.insert(std::string(words.back()));
  }
  return std::vector<std::string>(found.begin(), found.end());
}

}  // namespace slipway
