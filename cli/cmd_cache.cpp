// slipway cache
#include "cli/command.h"
#include "cli/project.h"
#include "run/collect.h"
#include "run/journal.h"
#include "spec/load.h"

namespace slipway::cli {

namespace {

void print_info(const Session& session) {
  const auto sizes = measure_cache(session.dirs.cache);
  const auto outcomes = StepCache(session.dirs.cache).size();
  if (session.output == "json") {
    const json out = {{"folder", session.dirs.cache.string()},
                      {"bytes", sizes.total()},
                      {"images", sizes.images},
                      {"snapshots", sizes.snapshots},
                      {"git", sizes.git},
                      {"other", sizes.other},
                      {"outcomes", outcomes}};
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("{}  {}\n", session.dirs.cache.string(), format_size(sizes.total()));
  fmt::print("  images     {:>9}\n", format_size(sizes.images));
  fmt::print("  snapshots  {:>9}\n", format_size(sizes.snapshots));
  fmt::print("  git        {:>9}\n", format_size(sizes.git));
  fmt::print("  other      {:>9}\n", format_size(sizes.other));
  fmt::print("  {} outcomes of steps are kept\n", outcomes);
}

void refuse_while_running(const Session& session) {
  for (const auto& run : list_runs(session.dirs.state))
    if (run.running())
      throw Error(ExitCode::denied, fmt::format("run `{}` is going on and uses the cache", run.id))
          .hint("try again when it has ended");
}

void collect(const Session& session, const CollectOptions& options) {
  refuse_while_running(session);
  StepCache cache(session.dirs.cache);
  const auto done = collect_cache(session.dirs, cache, options);
  if (session.output == "json") {
    const json out = {{"freed", done.freed},
                      {"outcomes", done.outcomes},
                      {"blobs", done.blobs},
                      {"snapshots", done.snapshots}};
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("freed {}: {} blobs, {} snapshots; forgot {} outcomes\n", format_size(done.freed), done.blobs,
             done.snapshots, done.outcomes);
}

std::uint64_t size_of(const std::string& text) {
  const auto bytes = parse_size(text);
  if (!bytes) throw Error(ExitCode::usage, fmt::format("`{}` is no size", text)).hint("write 20GB or 500MB");
  return *bytes;
}

// What the spec of this folder says, when there is one.
std::uint64_t size_to_keep(const Session& session) {
  if (session.spec_file.empty() && !spec_above(fs::current_path())) return Retain{}.cache;
  return load_project(session).retain.cache;
}

}  // namespace

void add_cache(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("cache", "show, shrink or empty the cache");
  command->require_subcommand(0, 1);
  auto* info = command->add_subcommand("info", "say what it holds (the default)");
  info->callback([&session] { print_info(session); });

  auto keep = std::make_shared<std::string>();
  auto* gc = command->add_subcommand("gc", "remove what was not used for longest, down to a size");
  gc->add_option("--keep", *keep, "keep so much: 20GB, 500MB (default: `retain.cache` of the spec, 20GB)");
  gc->callback([keep, &session] {
    CollectOptions options;
    options.keep = keep->empty() ? size_to_keep(session) : size_of(*keep);
    collect(session, options);
  });

  auto* clear = command->add_subcommand("clear", "remove all but what live releases use");
  clear->callback([&session] {
    refuse_while_running(session);
    remove_tree(session.dirs.cache / "git");
    CollectOptions options;
    options.everything = true;
    collect(session, options);
  });
  command->callback([command, &session] {
    if (command->get_subcommands().empty()) print_info(session);
  });
}

}  // namespace slipway::cli
