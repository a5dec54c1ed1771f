// Logical lines to instructions, each checked as far as it can be without expanding variables.
#include <algorithm>
#include <cctype>
#include <map>

#include "base/suggest.h"
#include "plugins/dockerfile/dockerfile.h"

namespace slipway::dockerfile {

namespace {

enum class Form { text, words, json_or_text, json_only };

struct Rule {
  Form form;
  int min_words;
  std::vector<std::string> flags;        // understood
  std::vector<std::string> later_flags;  // of the language, not built yet
  std::string usage;
};

const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> all = {
      {"ADD",
       {Form::json_or_text,
        2,
        {"chown", "chmod"},
        {"checksum", "keep-git-dir", "link", "exclude", "unpack"},
        "ADD SOURCE... DEST"}},
      {"ARG", {Form::words, 1, {}, {}, "ARG NAME[=DEFAULT]"}},
      {"CMD", {Form::json_or_text, 0, {}, {}, "CMD [\"PROGRAM\", \"ARGUMENT\"]"}},
      {"COPY",
       {Form::json_or_text,
        2,
        {"from", "chown", "chmod"},
        {"link", "exclude", "parents"},
        "COPY SOURCE... DEST"}},
      {"ENTRYPOINT", {Form::json_or_text, 0, {}, {}, "ENTRYPOINT [\"PROGRAM\"]"}},
      {"ENV", {Form::words, 1, {}, {}, "ENV NAME=VALUE..."}},
      {"EXPOSE", {Form::words, 1, {}, {}, "EXPOSE PORT[/PROTOCOL]..."}},
      {"FROM", {Form::words, 1, {"platform"}, {}, "FROM IMAGE [AS NAME]"}},
      {"HEALTHCHECK",
       {Form::text,
        1,
        {"interval", "timeout", "start-period", "retries"},
        {"start-interval"},
        "HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE"}},
      {"LABEL", {Form::words, 1, {}, {}, "LABEL KEY=VALUE..."}},
      {"MAINTAINER", {Form::text, 1, {}, {}, "MAINTAINER NAME"}},
      {"RUN", {Form::json_or_text, 1, {"network"}, {"mount", "security"}, "RUN COMMAND"}},
      {"SHELL", {Form::json_only, 1, {}, {}, "SHELL [\"PROGRAM\", \"ARGUMENT\"]"}},
      {"STOPSIGNAL", {Form::words, 1, {}, {}, "STOPSIGNAL SIGNAL"}},
      {"USER", {Form::words, 1, {}, {}, "USER NAME[:GROUP]"}},
      {"VOLUME", {Form::json_or_text, 1, {}, {}, "VOLUME PATH..."}},
      {"WORKDIR", {Form::text, 1, {}, {}, "WORKDIR PATH"}},
  };
  return all;
}

std::string upper(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

// Takes the first word off `text`.
std::string take_word(std::string_view& text) {
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  std::string word(text.substr(0, end));
  text.remove_prefix(end);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return word;
}

// One flag word, quotes and escapes resolved; ends at a blank outside quotes.
std::string take_flag(std::string_view& text, char escape) {
  std::string word;
  char quote = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (!quote && (c == ' ' || c == '\t')) break;
    if (c == escape && quote != '\'' && i + 1 < text.size())
      word += text[++i];
    else if (quote && c == quote)
      quote = 0;
    else if (!quote && (c == '"' || c == '\''))
      quote = c;
    else
      word += c;
  }
  text.remove_prefix(i);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return word;
}

class Parser {
 public:
  Parser(const std::string& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  Dockerfile run(const std::string& text) {
    const auto lines = split_lines(text, file_, diagnostics_);
    out_.escape = lines.escape;
    for (const auto& line : lines.lines) one(line);
    whole();
    return std::move(out_);
  }

 private:
  void one(const LogicalLine& line) {
    Instruction made;
    std::string_view rest = line.text;
    const auto written = take_word(rest);
    made.keyword = upper(written);
    made.original = line.text;
    made.heredocs = line.heredocs;
    made.where = {file_, line.line, 1, static_cast<int>(written.size())};
    const auto rule = rules().find(made.keyword);
    if (rule == rules().end()) return unknown(made, written);
    while (rest.starts_with("--")) {
      auto word = take_flag(rest, out_.escape);
      if (word == "--") break;
      add_flag(made, rule->second, word);
    }
    made.text = std::string(rest);
    arguments(made, rule->second);
    if (made.keyword == "HEALTHCHECK") healthcheck(made);
    if (made.keyword == "ADD") add(made);
    out_.instructions.push_back(std::move(made));
  }

  void unknown(const Instruction& made, const std::string& written) {
    if (made.keyword == "ONBUILD") return diagnostics_.error(made.where, "`ONBUILD` is not supported yet");
    std::vector<std::string> names;
    for (const auto& [name, rule] : rules()) names.push_back(name);
    diagnostics_.error(made.where, fmt::format("unknown instruction `{}`", written),
                       suggestion_hint(made.keyword, names));
  }

  void add_flag(Instruction& made, const Rule& rule, const std::string& word) {
    const auto equals = word.find('=');
    Flag flag{
        word.substr(2, equals == std::string::npos ? equals : equals - 2), {}, equals != std::string::npos};
    if (flag.has_value) flag.value = word.substr(equals + 1);
    const auto contains = [&](const auto& list) {
      return std::find(list.begin(), list.end(), flag.name) != list.end();
    };
    if (contains(rule.later_flags))
      return diagnostics_.error(made.where,
                                fmt::format("`{} --{}` is not supported yet", made.keyword, flag.name));
    if (!contains(rule.flags)) {
      auto all = rule.flags;
      for (auto& name : all) name = "--" + name;
      return diagnostics_.error(made.where,
                                fmt::format("unknown flag `--{}` of `{}`", flag.name, made.keyword),
                                all.empty() ? fmt::format("`{}` takes no flags", made.keyword)
                                            : suggestion_hint("--" + flag.name, all));
    }
    if (flag.value.empty())
      return diagnostics_.error(made.where,
                                fmt::format("`--{}` needs a value: `--{}=…`", flag.name, flag.name));
    if (made.flag(flag.name))
      return diagnostics_.error(made.where, fmt::format("the flag `--{}` is there twice", flag.name));
    made.flags.push_back(std::move(flag));
  }

  void arguments(Instruction& made, const Rule& rule) {
    if (rule.form == Form::json_or_text || rule.form == Form::json_only) {
      bool bad_item = false;
      if (auto words = parse_json_words(made.text, bad_item)) {
        made.words = std::move(*words);
        made.json = true;
      } else if (bad_item) {
        return diagnostics_.error(
            made.where, fmt::format("the list of `{}` holds something that is no text", made.keyword),
            "every item is written in double quotes");
      }
    }
    if (rule.form == Form::json_only && !made.json)
      return diagnostics_.error(made.where, fmt::format("`{}` needs a JSON list", made.keyword),
                                "write `" + rule.usage + "`");
    if (!made.json && rule.form != Form::text) made.words = split_quoted(made.text, out_.escape);
    const auto count =
        rule.form == Form::text ? (made.text.empty() ? 0 : 1) : static_cast<int>(made.words.size());
    if (count < rule.min_words)
      diagnostics_.error(made.where,
                         fmt::format("`{}` needs {}", made.keyword,
                                     rule.min_words == 1 ? "an argument" : "two arguments or more"),
                         "write `" + rule.usage + "`");
  }

  void healthcheck(Instruction& made) {
    std::string_view rest = made.text;
    const auto kind = upper(take_word(rest));
    if (kind == "NONE" && rest.empty()) return;
    if (kind != "CMD" || rest.empty()) {
      if (!made.text.empty())
        diagnostics_.error(made.where,
                           fmt::format("`HEALTHCHECK {}` is neither `CMD COMMAND` nor `NONE`", made.text));
      return;
    }
    Instruction command = {};
    command.keyword = "CMD";
    command.text = std::string(rest);
    command.where = made.where;
    arguments(command, rules().at("CMD"));
    made.trigger.push_back(std::move(command));
  }

  void add(const Instruction& made) {
    for (std::size_t i = 0; i + 1 < made.words.size(); ++i) {
      const auto& word = made.words[i];
      const bool git =
          word.starts_with("git@") || word.starts_with("git://") || word.find(".git#") != std::string::npos;
      if (git || word.starts_with("http://") || word.starts_with("https://") || word.starts_with("ssh://"))
        diagnostics_.error(
            made.where, fmt::format("`ADD {}` is not supported yet: only local files and archives are", word),
            "fetch it with `RUN`, or put it into the context");
    }
  }

  void whole() {
    if (out_.instructions.empty()) {
      if (!diagnostics_.has_errors())
        diagnostics_.error({file_, 1, 1, 1}, "the Dockerfile has no instructions",
                           "it begins with `FROM IMAGE`");
      return;
    }
    for (const auto& made : out_.instructions) {
      if (made.keyword == "FROM") return;
      if (made.keyword != "ARG")
        return diagnostics_.error(
            made.where, fmt::format("`{}` stands before the first `FROM`", made.keyword), "only `ARG` may");
    }
    diagnostics_.error(out_.instructions.back().where, "the Dockerfile has no `FROM`");
  }

  const std::string& file_;
  Diagnostics& diagnostics_;
  Dockerfile out_;
};

}  // namespace

const Flag* Instruction::flag(std::string_view name) const {
  for (const auto& f : flags)
    if (f.name == name) return &f;
  return nullptr;
}

std::string Instruction::flag_value(std::string_view name) const {
  const auto* found = flag(name);
  return found ? found->value : std::string();
}

std::optional<std::vector<std::string>> parse_json_words(std::string_view text, bool& bad_item) {
  if (!text.starts_with('[')) return std::nullopt;
  const auto list = nlohmann::json::parse(text, nullptr, false);
  if (!list.is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (const auto& item : list) {
    if (!item.is_string()) {
      bad_item = true;
      return std::nullopt;
    }
    out.push_back(item.get<std::string>());
  }
  return out;
}

Dockerfile parse_dockerfile(const std::string& text, const std::string& file, Diagnostics& diagnostics) {
  diagnostics.source(file, text);
  return Parser(file, diagnostics).run(text);
}

}  // namespace slipway::dockerfile
