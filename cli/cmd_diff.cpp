// slipway diff: what a rollout would change in the cluster, field by field; nothing is executed.
#include "base/suggest.h"
#include "cli/deploy_preview.h"
#include "cli/project.h"
#include "cli/text.h"

namespace slipway::cli {

namespace {

struct DiffFlags {
  std::vector<std::string> services;
  bool exit_code = false;
};

std::string value_of(const json& value) {
  constexpr std::size_t kMost = 200;
  auto text = value.is_string() ? value.get<std::string>() : value.dump();
  const bool plain = text.find('\n') == std::string::npos && !text.empty();
  if (!plain) text = json(text).dump();
  if (text.size() > kMost) text = text.substr(0, kMost) + "…";
  return harmless(text);
}

std::string sign_of(const json& object) {
  const auto change = object.at("change").get<std::string>();
  return change == "add" ? "+" : change == "remove" ? "-" : change == "refused" ? "✘" : "~";
}

void print_object(const json& object) {
  const auto sign = sign_of(object);
  fmt::print("{} {}{}\n", sign, harmless(object.at("object").get<std::string>()),
             !object.value("drift", false) ? ""
             : sign == "+"                 ? "  removed by somebody else since the rollout"
                                           : "  changed by somebody else since the rollout");
  for (const auto& field : object.at("fields")) {
    const auto path = harmless(field.at("path").get<std::string>());
    const auto &before = field.at("before"), &after = field.at("after");
    if (before.is_null())
      fmt::print("    + {}: {}\n", path, value_of(after));
    else if (after.is_null())
      fmt::print("    - {}: {}\n", path, value_of(before));
    else
      fmt::print("    {}: {} → {}\n", path, value_of(before), value_of(after));
  }
  for (const auto& conflict : object.value("conflicts", json::array()))
    fmt::print("    ! {} was set by {}: a rollout stops here, unless `take_over` names it\n",
               harmless(conflict.at("field").get<std::string>()),
               harmless(conflict.at("manager").get<std::string>()));
  if (!object.contains("refused")) return;
  fmt::print("    ! {}\n", harmless(object.at("refused").get<std::string>()));
  if (const auto hint = object.value("hint", ""); !hint.empty())
    fmt::print("      hint: {}\n", harmless(hint));
}

void print_text(const DeployPreview& diff) {
  std::map<std::string, std::size_t> counts;
  for (const auto& object : diff.preview.at("objects")) {
    print_object(object);
    ++counts[object.at("change").get<std::string>()];
  }
  std::string summary;
  for (const auto& [change, words] :
       {std::pair{"add", "new"}, {"change", "changed"}, {"remove", "removed"}, {"refused", "refused"}})
    if (counts[change]) summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", counts[change], words);
  fmt::print("{} → {}: {} · nothing was executed\n", diff.project, diff.environment,
             summary.empty() ? "no difference" : summary);
}

// A service, or a part of it: "web" means "web.worker" too.
bool is_of(const json& object, const std::vector<std::string>& services) {
  const auto of = object.value("service", "");
  return services.empty() || std::any_of(services.begin(), services.end(), [&](const std::string& one) {
           return of == one || of.starts_with(one + ".");
         });
}

// Of a target that has no objects: its own words.
void print_lines(const DeployPreview& diff, const Session& session) {
  const auto lines = diff.preview.value("lines", json::array());
  if (session.output == "json") {
    const json out = {{"project", diff.project},
                      {"environment", diff.environment},
                      {"changes", diff.preview.value("changes", true)},
                      {"lines", lines}};
    fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
    return;
  }
  for (const auto& line : lines) fmt::print("{}\n", harmless(line.get<std::string>()));
  fmt::print("{} → {} · nothing was executed\n", diff.project, diff.environment);
}

void diff_command(const DiffFlags& flags, Session& session) {
  const auto spec = load_project(session);
  for (const auto& name : flags.services)
    if (!spec.services.find(name) && !spec.backing.find(name))
      throw Error(ExitCode::usage, fmt::format("there is no service `{}`", name))
          .hint(suggestion_hint(name, spec.services.names()));
  const bool by_object = target_can(session, "diff");
  auto diff = preview_deploy(session, by_object ? "diff" : "apply", by_object);
  if (by_object) {
    auto& objects = diff.preview["objects"];
    json wanted = json::array();
    for (auto& object : objects)
      if (is_of(object, flags.services)) wanted.push_back(std::move(object));
    diff.preview["changes"] = !wanted.empty();
    objects = std::move(wanted);
    if (session.output == "json") {
      auto out = diff.preview;
      out["project"] = diff.project;
      out["environment"] = diff.environment;
      fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
    } else {
      print_text(diff);
    }
  } else {
    print_lines(diff, session);
  }
  if (flags.exit_code && diff.preview.value("changes", true))
    session.exit_code = static_cast<int>(ExitCode::changes_pending);
}

}  // namespace

void add_diff(CLI::App& app, Session& session) {
  auto flags = std::make_shared<DiffFlags>();
  auto* command = app.add_subcommand("diff", "what a rollout would change in the cluster, field by field");
  command->add_option("SERVICE", flags->services, "only of these");
  command->add_flag("--exit-code", flags->exit_code, "end with 10 when something would change");
  command->callback([flags, &session] { diff_command(*flags, session); });
}

}  // namespace slipway::cli
