// slipway releases: those that are kept, what changed in each, and which one serves.
#include "cli/target.h"
#include "cli/text.h"

namespace slipway::cli {

namespace {

std::string short_digest(const std::string& digest) {
  const auto colon = digest.find(':');
  return colon == std::string::npos ? digest : digest.substr(colon + 1, 12);
}

// Releases as status tells them, the newest first, each with what it changed: {"service", "image", "before"};
// the first that is kept has all of its services.
json told(const json& status) {
  json out = json::array();
  const auto& releases = status.at("releases");
  const auto find = [&](const std::string& id) -> const json* {
    for (const auto& one : releases)
      if (one.at("id") == id) return &one;
    return nullptr;
  };
  for (const auto& release : releases) {
    auto entry = release;
    entry["current"] = release.at("id") == status.value("release", "");
    const auto* before = find(release.value("previous", ""));
    const auto then = before ? before->value("images", json::object()) : json::object();
    const auto now = release.value("images", json::object());
    entry["changed"] = json::array();
    for (const auto& [service, image] : now.items())
      if (!then.contains(service) || then[service] != image)
        entry["changed"].push_back(
            {{"service", service}, {"image", image}, {"before", then.value(service, json())}});
    for (const auto& [service, image] : then.items())
      if (!now.contains(service))
        entry["changed"].push_back({{"service", service}, {"image", nullptr}, {"before", image}});
    out.insert(out.begin(), std::move(entry));
  }
  return out;
}

std::string change_of(const json& change) {
  const auto name = change.at("service").get<std::string>();
  const auto digest = [](const json& image) { return short_digest(image.get<std::string>()); };
  if (change.at("image").is_null()) return fmt::format("{} removed", name);
  if (change.at("before").is_null()) return fmt::format("{} {}", name, digest(change["image"]));
  return fmt::format("{} {} → {}", name, digest(change["before"]), digest(change["image"]));
}

void print(const json& status, const json& releases) {
  if (releases.empty()) {
    fmt::print("{} {}: no release yet\n", status.at("project").get<std::string>(),
               status.at("environment").get<std::string>());
    return;
  }
  std::size_t width = 0;
  for (const auto& one : releases) width = std::max(width, one.at("id").get<std::string>().size());
  for (const auto& one : releases) {
    std::string changes;
    for (const auto& change : one.at("changed")) changes += (changes.empty() ? "" : ", ") + change_of(change);
    if (changes.empty()) changes = "settings";
    const auto of = one.value("rollback_of", "");
    fmt::print("{} {}  {:<7}  {}  {}{}\n", one.at("current").get<bool>() ? "*" : " ",
               pad(one.at("id").get<std::string>(), width), one.value("state", ""), one.value("created", ""),
               harmless(changes), of.empty() ? "" : fmt::format("  (back to {})", of));
  }
}

}  // namespace

void add_releases(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("releases", "the releases that are kept, and what each one changed");
  const auto flags = add_target_flags(*command);
  command->callback([&session, flags] {
    const auto outcome = run_target(session, *flags, "status", json::object());
    if (!outcome.ok) return;
    const auto releases = told(outcome.outputs);
    if (session.output == "json") {
      const json out = {{"project", outcome.outputs.at("project")},
                        {"environment", outcome.outputs.at("environment")},
                        {"release", outcome.outputs.value("release", "")},
                        {"releases", releases}};
      fmt::print("{}\n", out.dump(2));
    } else {
      print(outcome.outputs, releases);
    }
  });
}

}  // namespace slipway::cli
