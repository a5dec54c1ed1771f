#include "plugins/dockerfile/stages.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "base/suggest.h"

namespace slipway::dockerfile {

namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool is_stage_name(std::string_view name) {
  return !name.empty() && std::isalpha(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::islower(c) || std::isdigit(c) || c == '-' || c == '_' || c == '.';
         });
}

class Finder {
 public:
  Finder(const Dockerfile& file, const Variables& args, const oci::Platform& target,
         const std::string& wanted, Diagnostics& diagnostics)
      : file_(file), args_(args), platform_(platform_variables(target, wanted)), diagnostics_(diagnostics) {}

  Stages run(const std::string& wanted) {
    for (const auto& made : file_.instructions) {
      if (made.keyword == "FROM")
        from(made);
      else if (out_.all.empty())
        global(made);
      else
        step(made);
    }
    if (!out_.all.empty() && !diagnostics_.has_errors()) choose(wanted);
    return std::move(out_);
  }

 private:
  // Nothing is expanded after a mistake here: its text is kept as it is.
  std::string expanded(const std::string& text, const Variables& variables, const Instruction& made) {
    try {
      return expand(text, variables, file_.escape);
    } catch (const Error& e) {
      diagnostics_.error(made.where, e.message());
      return text;
    }
  }

  void global(const Instruction& arg) {
    for (const auto& word : arg.words) {
      const auto equals = word.find('=');
      const auto name = word.substr(0, equals);
      if (const auto given = args_.find(name); given != args_.end()) {
        out_.globals[name] = given->second;
      } else if (equals != std::string::npos) {
        auto known = platform_;
        for (const auto& [key, value] : out_.globals) known[key] = value;
        out_.globals[name] = expanded(word.substr(equals + 1), known, arg);
      }
    }
  }

  int stage_named(const std::string& name) const {
    for (std::size_t i = out_.all.size(); i-- > 0;)
      if (!out_.all[i].name.empty() && out_.all[i].name == lower(name)) return static_cast<int>(i);
    return -1;
  }

  void from(const Instruction& made) {
    Stage stage;
    stage.from = &made;
    auto known = platform_;
    for (const auto& [key, value] : out_.globals) known[key] = value;
    if (!made.words.empty()) stage.base = expanded(made.words[0], known, made);
    stage.platform = expanded(made.flag_value("platform"), known, made);
    if (stage.base.empty() && !made.words.empty())
      diagnostics_.error(made.where,
                         fmt::format("`{}` is empty, so there is no image to build from", made.words[0]),
                         "give the `ARG` a default, or a value with --build-arg");
    if (!stage.platform.empty() && !oci::Platform::parse(stage.platform))
      diagnostics_.error(made.where, fmt::format("`{}` is no platform", stage.platform),
                         "one is `linux/amd64`");
    stage.base_stage = stage_named(stage.base);
    name(stage, made);
    out_.all.push_back(std::move(stage));
  }

  void name(Stage& stage, const Instruction& made) {
    if (made.words.size() < 2) return;
    if (made.words.size() != 3 || lower(made.words[1]) != "as")
      return diagnostics_.error(made.where, fmt::format("`{}` is not understood", made.original),
                                "write `FROM IMAGE [AS NAME]`");
    stage.name = lower(made.words[2]);
    if (!is_stage_name(stage.name))
      diagnostics_.error(made.where, fmt::format("`{}` is no name for a stage", made.words[2]),
                         "it begins with a letter; letters, digits, `-`, `_` and `.` follow");
    else if (stage.name == "scratch")
      diagnostics_.error(made.where, "a stage cannot be named `scratch`: that is the empty image");
  }

  void step(const Instruction& made) {
    auto& stage = out_.all.back();
    stage.steps.push_back(&made);
    const auto* flag = made.keyword == "COPY" ? made.flag("from") : nullptr;
    if (!flag) return;
    const auto own = out_.all.size() - 1;
    if (flag->value.find('$') != std::string::npos)
      return diagnostics_.error(made.where, "`COPY --from` takes no variables",
                                "name a stage with `FROM $IMAGE AS name` and copy from it");
    std::size_t index = 0;
    const auto& text = flag->value;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool number = bad == std::errc{} && end == text.data() + text.size();
    const int found = number ? (index < own ? static_cast<int>(index) : -1) : earlier(text, own);
    if (found >= 0)
      stage.copies[&made] = found;
    else if (number || (!stage.name.empty() && stage.name == lower(text)))
      diagnostics_.error(made.where, fmt::format("`--from={}` is no earlier stage", text));
  }

  int earlier(const std::string& text, std::size_t own) const {
    for (std::size_t i = own; i-- > 0;)
      if (!out_.all[i].name.empty() && out_.all[i].name == lower(text)) return static_cast<int>(i);
    return -1;
  }

  void choose(const std::string& wanted) {
    auto target = static_cast<int>(out_.all.size()) - 1;
    if (!wanted.empty()) {
      target = stage_named(wanted);
      std::size_t index = 0;
      const auto [end, bad] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), index);
      if (target < 0 && bad == std::errc{} && end == wanted.data() + wanted.size() && index < out_.all.size())
        target = static_cast<int>(index);
      if (target < 0) {
        std::vector<std::string> names;
        for (const auto& stage : out_.all)
          if (!stage.name.empty()) names.push_back(stage.name);
        return diagnostics_.error(out_.all.back().from->where,
                                  fmt::format("there is no stage `{}` to build", wanted),
                                  suggestion_hint(wanted, names));
      }
    }
    std::vector<bool> seen(out_.all.size());
    need(static_cast<std::size_t>(target), seen);
  }

  void need(std::size_t index, std::vector<bool>& seen) {
    if (seen[index]) return;
    seen[index] = true;
    const auto& stage = out_.all[index];
    if (stage.base_stage >= 0) need(static_cast<std::size_t>(stage.base_stage), seen);
    for (const auto* made : stage.steps)
      if (const auto it = stage.copies.find(made); it != stage.copies.end())
        need(static_cast<std::size_t>(it->second), seen);
    out_.order.push_back(index);
  }

  const Dockerfile& file_;
  const Variables& args_;
  Variables platform_;
  Diagnostics& diagnostics_;
  Stages out_;
};

}  // namespace

Variables platform_variables(const oci::Platform& target, const std::string& target_stage) {
  const auto build = oci::Platform::host();
  return {{"BUILDPLATFORM", build.str()},
          {"BUILDOS", build.os},
          {"BUILDOSVERSION", ""},
          {"BUILDARCH", build.architecture},
          {"BUILDVARIANT", build.variant},
          {"TARGETPLATFORM", target.str()},
          {"TARGETOS", target.os},
          {"TARGETOSVERSION", ""},
          {"TARGETARCH", target.architecture},
          {"TARGETVARIANT", target.variant},
          {"TARGETSTAGE", target_stage.empty() ? "default" : target_stage}};
}

Stages find_stages(const Dockerfile& file, const Variables& args, const oci::Platform& target,
                   const std::string& target_stage, Diagnostics& diagnostics) {
  return Finder(file, args, target, target_stage, diagnostics).run(target_stage);
}

}  // namespace slipway::dockerfile
