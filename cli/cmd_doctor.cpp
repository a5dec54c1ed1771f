// slipway doctor: has this machine what slipway needs, and did anything stay behind?
#include "cli/command.h"
#include "cli/leftovers.h"
#include "oci/cni.h"
#include "oci/sandbox.h"
#include "sys/process.h"

namespace slipway::cli {

namespace {

enum class Level { ok, warning, error };

struct Finding {
  Level level;
  std::string text, hint;
};

// A tool that everything needs is an error when it is missing, one for some uses a warning.
Finding tool(const char* name, const char* use, const char* package, Level missing) {
  if (const auto path = find_program(name))
    return {Level::ok, fmt::format("{} ({})", name, path->string()), ""};
  return {missing, fmt::format("{} is not installed: {}", name, use),
          fmt::format("apt-get install {}", package)};
}

Finding runtime(const Session& session) {
  try {
    return {Level::ok, fmt::format("{} runs containers", oci::Runtime::probe(session.dirs.cache).name()), ""};
  } catch (const Error& e) {
    return {Level::error, e.message() + (e.detail().empty() ? "" : "\n" + e.detail()), e.hint()};
  }
}

Finding cni() {
  try {
    return {Level::ok, fmt::format("CNI plugins ({})", oci::cni_folder().string()), ""};
  } catch (const Error& e) {
    return {Level::error, e.message(), e.hint()};
  }
}

std::vector<Finding> look(const Session& session) {
  std::vector<Finding> out;
  out.push_back(::geteuid() == 0 ? Finding{Level::ok, "root", ""}
                                 : Finding{Level::warning, "not root: the local target and RUN need it",
                                           "run slipway as root (`sudo slipway …`)"});
  out.push_back(runtime(session));
  out.push_back(cni());
  out.push_back(tool("haproxy", "the local target balances with it", "haproxy", Level::error));
  out.push_back(tool("iptables", "container networks reach the outside with it", "iptables", Level::error));
  out.push_back(tool("ip", "container networks are made with it", "iproute2", Level::error));
  out.push_back(tool("nsenter", "commands in running replicas need it", "util-linux", Level::error));
  out.push_back(
      tool("mmdebstrap", "the debian plugin makes base images with it", "mmdebstrap", Level::warning));
  out.push_back(tool("git", "credential helpers of git are found with it", "git", Level::warning));
  return out;
}

void doctor(Session& session, bool dry_run) {
  auto findings = look(session);
  const auto left = find_leftovers(*session.plugins, session.dirs, dry_run);
  json found = json::array();
  std::size_t counts[3] = {0, 0, 0};
  for (const auto& item : left)
    findings.push_back({item.cleared ? Level::ok : Level::warning,
                        fmt::format("{}{}", item.cleared ? "cleared: " : "left behind: ", item.what),
                        item.hint});
  for (const auto& finding : findings) {
    ++counts[static_cast<int>(finding.level)];
    constexpr const char* kWords[] = {"ok", "warning", "error"};
    found.push_back(
        {{"level", kWords[static_cast<int>(finding.level)]}, {"text", finding.text}, {"hint", finding.hint}});
    if (session.output == "json") continue;
    constexpr const char* kMarks[] = {"✔", "⚠", "✘"};
    fmt::print(" {} {}\n", kMarks[static_cast<int>(finding.level)], finding.text);
    if (finding.level != Level::ok && !finding.hint.empty()) fmt::print("     {}\n", finding.hint);
  }
  if (session.output == "json")
    fmt::print(
        "{}\n",
        json{{"ok", counts[0]}, {"warnings", counts[1]}, {"errors", counts[2]}, {"findings", found}}.dump(2));
  else
    fmt::print("{} ok, {} warning{}, {} error{}\n", counts[0], counts[1], counts[1] == 1 ? "" : "s",
               counts[2], counts[2] == 1 ? "" : "s");
  if (counts[2]) session.exit_code = static_cast<int>(ExitCode::unavailable);
}

}  // namespace

void add_doctor(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("doctor", "check this machine, and clear what killed runs left behind");
  auto dry_run = std::make_shared<bool>(false);
  command->add_flag("--dry-run", *dry_run, "only tell what is left behind");
  command->callback([&session, dry_run] { doctor(session, *dry_run); });
}

}  // namespace slipway::cli
