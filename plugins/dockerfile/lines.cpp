// Physical lines to logical ones: directives, comments, continuations, heredocs.
#include <algorithm>
#include <cctype>
#include <set>

#include "plugins/dockerfile/dockerfile.h"

namespace slipway::dockerfile {

namespace {

constexpr std::size_t max_line = 65'535;

std::string_view trim_left(std::string_view s) {
  return s.substr(std::min(s.find_first_not_of(" \t"), s.size()));
}
std::string_view trim_right(std::string_view s) {
  const auto last = s.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view{} : s.substr(0, last + 1);
}
std::string_view trim(std::string_view s) {
  return trim_left(trim_right(s));
}

std::string lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::vector<std::string_view> physical_lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool may_have_heredoc(std::string_view line) {
  const auto keyword = lower(line.substr(0, std::min(line.find_first_of(" \t"), line.size())));
  return keyword == "run" || keyword == "copy" || keyword == "add";
}

struct Opening {
  std::string name;
  bool expand = true, chomp = false;
};

// "<<EOF", "3<<-'EOF'" as one word; nullopt for anything else, such as "<<<word" or "a<<b".
std::optional<Opening> opening_of(std::string_view word) {
  while (!word.empty() && std::isdigit(static_cast<unsigned char>(word.front()))) word.remove_prefix(1);
  if (!word.starts_with("<<")) return std::nullopt;
  word.remove_prefix(2);
  Opening out;
  if (word.starts_with('-')) {
    out.chomp = true;
    word.remove_prefix(1);
  }
  if (word.empty() || word.front() == '<') return std::nullopt;
  for (const char quote : {'"', '\''})
    if (word.front() == quote) {
      if (word.size() < 3 || word.back() != quote) return std::nullopt;
      word = word.substr(1, word.size() - 2);
      out.expand = false;
      break;
    }
  if (word.find_first_of("<>\"'$\\") != std::string_view::npos) return std::nullopt;
  out.name = std::string(word);
  return out;
}

class Splitter {
 public:
  Splitter(std::string_view text, const std::string& file, Diagnostics& diagnostics)
      : lines_(physical_lines(text)), file_(file), diagnostics_(diagnostics) {}

  Lines run() {
    directives();
    while (next_ < lines_.size()) {
      const auto line = trim(lines_[next_]);
      if (line.empty() || line.front() == '#') {
        ++next_;
        continue;
      }
      logical();
    }
    return std::move(out_);
  }

 private:
  Location at(std::size_t index) const { return {file_, static_cast<int>(index) + 1, 1, 1}; }

  // "# escape=`" and the like, until the first line that is none.
  void directives() {
    std::set<std::string> seen;
    for (; next_ < lines_.size(); ++next_) {
      auto line = trim(lines_[next_]);
      if (!line.starts_with('#')) return;
      line = trim(line.substr(1));
      const auto equals = line.find('=');
      if (equals == std::string_view::npos) return;
      const auto key = lower(trim(line.substr(0, equals)));
      const auto value = trim(line.substr(equals + 1));
      if (key != "syntax" && key != "escape" && key != "check") return;
      if (!seen.insert(key).second) {
        diagnostics_.error(at(next_), fmt::format("the directive `{}` is there twice", key));
        continue;
      }
      if (key != "escape") continue;  // `syntax` names a front end image: ours reads the same language
      if (value == "\\" || value == "`")
        out_.escape = value[0];
      else
        diagnostics_.error(at(next_), fmt::format("`{}` cannot be the escape character", value),
                           "it is `\\` or a backtick");
    }
  }

  void logical() {
    LogicalLine out;
    out.line = static_cast<int>(next_) + 1;
    bool open = true;
    for (bool first = true; open && next_ < lines_.size(); ++next_) {
      const auto raw = lines_[next_];
      if (raw.size() > max_line) {
        diagnostics_.error(at(next_), "the line is longer than 65535 bytes");
        continue;
      }
      const auto line = trim_right(raw);
      if (!first && (trim_left(line).starts_with('#') || line.empty())) continue;
      open = !line.empty() && line.back() == out_.escape;
      out.text += first ? trim_left(open ? line.substr(0, line.size() - 1) : line)
                        : (open ? line.substr(0, line.size() - 1) : line);
      first = false;
    }
    out.text = std::string(trim_right(out.text));
    if (may_have_heredoc(out.text)) heredocs(out);
    if (!out.text.empty()) out_.lines.push_back(std::move(out));
  }

  void heredocs(LogicalLine& out) {
    for (const auto& word : split_quoted(out.text, out_.escape)) {
      const auto opening = opening_of(word);
      if (!opening) continue;
      Heredoc doc{opening->name, {}, opening->expand};
      bool closed = false;
      for (; next_ < lines_.size() && !closed; ++next_) {
        auto line = lines_[next_];
        if (opening->chomp) line = line.substr(std::min(line.find_first_not_of('\t'), line.size()));
        closed = line == opening->name;
        if (!closed) doc.content += std::string(line) + "\n";
      }
      if (!closed)
        diagnostics_.error({file_, out.line, 1, 1},
                           fmt::format("the heredoc `{}` does not end", opening->name),
                           fmt::format("a line `{}` closes it", opening->name));
      out.heredocs.push_back(std::move(doc));
    }
  }

  std::vector<std::string_view> lines_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  std::size_t next_ = 0;
  Lines out_;
};

}  // namespace

Lines split_lines(const std::string& text, const std::string& file, Diagnostics& diagnostics) {
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  return Splitter(rest, file, diagnostics).run();
}

std::vector<std::string> split_quoted(std::string_view text, char escape) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!quote && (c == ' ' || c == '\t' || c == '\n')) {
      if (in_word) out.push_back(std::exchange(word, {}));
      in_word = false;
      continue;
    }
    in_word = true;
    word += c;
    if (c == escape && quote != '\'' && i + 1 < text.size())
      word += text[++i];
    else if (quote)
      quote = c == quote ? 0 : quote;
    else if (c == '"' || c == '\'')
      quote = c;
  }
  if (in_word) out.push_back(std::move(word));
  return out;
}

}  // namespace slipway::dockerfile
