#include "plugins/dockerfile/expand.h"

#include <cctype>
#include <optional>

#include "base/error.h"

namespace slipway::dockerfile {

namespace {

bool is_name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// True when the glob (only * ? and \) matches the whole of `text`.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
      continue;
    }
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
    const char wanted = p < pattern.size() ? pattern[escaped ? p + 1 : p] : 0;
    if (p < pattern.size() && ((!escaped && wanted == '?') || wanted == text[t])) {
      p += escaped ? 2 : 1;
      ++t;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    t = ++mark;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string strip_prefix(const std::string& value, std::string_view pattern, bool longest) {
  const auto n = value.size();
  for (std::size_t i = 0; i <= n; ++i) {
    const auto length = longest ? n - i : i;
    if (glob(pattern, std::string_view(value).substr(0, length))) return value.substr(length);
  }
  return value;
}

std::string strip_suffix(const std::string& value, std::string_view pattern, bool longest) {
  const auto n = value.size();
  for (std::size_t i = 0; i <= n; ++i) {
    const auto length = longest ? n - i : i;
    if (glob(pattern, std::string_view(value).substr(n - length))) return value.substr(0, n - length);
  }
  return value;
}

// The longest match at the leftmost place, once or everywhere.
std::string replace(const std::string& value, std::string_view pattern, const std::string& with, bool all) {
  std::string out;
  std::size_t at = 0;
  while (at < value.size()) {
    std::size_t length = value.size() - at;
    while (length > 0 && !glob(pattern, std::string_view(value).substr(at, length))) --length;
    if (length == 0) {
      out += value[at++];
      continue;
    }
    out += with;
    at += length;
    if (!all) break;
  }
  return out + value.substr(std::min(at, value.size()));
}

class Lexer {
 public:
  Lexer(std::string_view text, const Variables& variables, char escape, bool raw_quotes)
      : text_(text), variables_(variables), escape_(escape), raw_quotes_(raw_quotes) {}

  std::string all() {
    auto out = until({});
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::usage, fmt::format("{} in `{}`", what, text_));
  }

  bool more() const { return at_ < text_.size(); }
  char peek() const { return text_[at_]; }

  // Up to (not over) one of `stops` outside quotes, or the end.
  std::string until(std::string_view stops) {
    std::string out;
    while (more() && stops.find(peek()) == std::string_view::npos) {
      const char c = peek();
      if (c == '\'' && !raw_quotes_) {
        single_quoted(out);
      } else if (c == '"' && !raw_quotes_) {
        double_quoted(out);
      } else if (c == escape_ && at_ + 1 < text_.size()) {
        at_ += 2;
        // In a heredoc the escape protects `$` and itself alone.
        if (raw_quotes_ && text_[at_ - 1] != '$' && text_[at_ - 1] != escape_) out += c;
        out += text_[at_ - 1];
      } else if (c == '$') {
        out += dollar();
      } else {
        out += c;
        ++at_;
      }
    }
    return out;
  }

  void single_quoted(std::string& out) {
    const auto end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) fail("a quote is not closed");
    out += text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
  }

  void double_quoted(std::string& out) {
    for (++at_;;) {
      if (!more()) fail("a quote is not closed");
      const char c = peek();
      if (c == '"') {
        ++at_;
        return;
      }
      if (c == '$') {
        out += dollar();
      } else if (c == escape_ && at_ + 1 < text_.size()) {
        const char next = text_[at_ + 1];
        if (next != '"' && next != '$' && next != escape_) out += c;
        out += next;
        at_ += 2;
      } else {
        out += c;
        ++at_;
      }
    }
  }

  std::optional<std::string> value_of(const std::string& name) const {
    const auto it = variables_.find(name);
    return it == variables_.end() ? std::nullopt : std::optional(it->second);
  }

  std::string take_name() {
    const auto from = at_;
    if (more() && is_name_start(peek())) {
      while (more() && is_name(peek())) ++at_;
    } else if (more() && (std::isdigit(static_cast<unsigned char>(peek())) ||
                          std::string_view("@*#?-$!").find(peek()) != std::string_view::npos)) {
      ++at_;  // a shell's positional and special parameters: always empty here
    }
    return std::string(text_.substr(from, at_ - from));
  }

  std::string dollar() {
    ++at_;
    if (!more()) return "$";
    if (peek() != '{') {
      const auto name = take_name();
      return name.empty() ? "$" : value_of(name).value_or("");
    }
    ++at_;
    const auto name = take_name();
    if (name.empty()) fail("a variable's name is missing");
    if (!more()) fail("a `}` is missing");
    const auto value = value_of(name);
    if (peek() == '}') {
      ++at_;
      return value.value_or("");
    }
    return operation(name, value);
  }

  std::string closed(std::string_view stops) {
    auto out = until(stops);
    if (!more()) fail("a `}` is missing");
    return out;
  }

  std::string operation(const std::string& name, std::optional<std::string> value) {
    char op = text_[at_++];
    const bool colon = op == ':';
    if (colon) {
      if (!more()) fail("a `}` is missing");
      op = text_[at_++];
    }
    const bool set = value && !(colon && value->empty());
    if (op == '-' || op == '+' || op == '?') {
      const auto word = closed("}");
      ++at_;
      if (op == '-') return set ? *value : word;
      if (op == '+') return set ? word : "";
      if (set) return *value;
      throw Error(ExitCode::usage,
                  fmt::format("`{}` {}", name,
                              word.empty() ? std::string(colon ? "is not set or empty" : "is not set")
                                           : "is missing: " + word));
    }
    if (colon || (op != '#' && op != '%' && op != '/'))
      fail(fmt::format("`{}{}` is no operator of a variable", colon ? ":" : "", op));
    const bool twice = more() && peek() == op;
    if (twice) ++at_;
    if (op == '/') {
      const auto pattern = closed("/}");
      std::string with;
      if (peek() == '/') {
        ++at_;
        with = closed("}");
      }
      ++at_;
      return replace(value.value_or(""), pattern, with, twice);
    }
    const auto pattern = closed("}");
    ++at_;
    return op == '#' ? strip_prefix(value.value_or(""), pattern, twice)
                     : strip_suffix(value.value_or(""), pattern, twice);
  }

  std::string_view text_;
  const Variables& variables_;
  char escape_;
  bool raw_quotes_;
  std::size_t at_ = 0;
};

}  // namespace

std::string expand(std::string_view text, const Variables& variables, char escape) {
  return Lexer(text, variables, escape, false).all();
}

std::string expand_heredoc(std::string_view text, const Variables& variables, char escape) {
  return Lexer(text, variables, escape, true).all();
}

}  // namespace slipway::dockerfile
