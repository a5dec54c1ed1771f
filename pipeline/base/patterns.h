// Path patterns: Go's filepath.Match as COPY takes it, and the rules of .dockerignore.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// `*` and `?` stop at '/', `[a-z]` and `[^a]` are classes, `\` escapes; with `double_star` a component `**`
// is any number of components.
bool match_path(std::string_view pattern, std::string_view path, bool double_star = false);
bool has_wildcard(std::string_view pattern);

struct IgnoreRule {
  std::string pattern;  // cleaned, without '!'
  bool keep = false;    // written with '!'
  int line = 0;
};

// A .dockerignore: the last rule that matches a path or a folder above it decides.
class IgnoreRules {
 public:
  IgnoreRules() = default;
  IgnoreRules(std::string_view text, std::string file);
  // The rule that ignores `path` (relative, '/'-separated); nullptr when it is kept.
  const IgnoreRule* ignores(std::string_view path) const;
  // False when nothing below the ignored folder `path` can be kept, so that it need not be walked.
  bool may_keep_below(std::string_view path) const;
  const std::string& file() const { return file_; }
  bool empty() const { return rules_.empty(); }

 private:
  std::string file_;
  std::vector<IgnoreRule> rules_;
};

}  // namespace slipway
