// slipway status: what runs, and how it feels.
#include "cli/target.h"
#include "cli/text.h"

namespace slipway::cli {

namespace {

std::string short_digest(const std::string& digest) {
  const auto colon = digest.find(':');
  return colon == std::string::npos ? digest : digest.substr(colon + 1, 12);
}

void print(const json& status) {
  const auto& services = status.at("services");
  const auto title = fmt::format("{} {}", status.at("project").get<std::string>(),
                                 status.at("environment").get<std::string>());
  if (services.empty()) {
    fmt::print("{}: nothing runs\n", title);
    return;
  }
  const auto release = status.value("release", "");
  fmt::print(
      "{}  release {}{}{}\n", title, release.empty() ? "none" : release,
      status.contains("created") ? "  " + status.at("created").get<std::string>().substr(0, 19) + "Z" : "",
      status.value("balancer", "running") == "running" ? "" : "  the balancer is down");
  if (status.contains("owner"))
    fmt::print("rollout {} is on its way{}\n", status.at("rollout").get<std::string>(),
               status.contains("phase") ? ": " + harmless(status.at("phase").get<std::string>()) : "");
  else if (status.contains("rollout"))
    fmt::print("rollout {} was cut off: `slipway run` finishes it\n",
               status.at("rollout").get<std::string>());
  std::size_t width = 0;
  for (const auto& service : services)
    width = std::max(width, columns_of(service.at("name").get<std::string>()));
  for (const auto& service : services) {
    std::size_t healthy = 0;
    int exits = 0;
    for (const auto& replica : service.at("replicas")) {
      healthy += replica.value("health", "") == "healthy" || replica.value("health", "") == "unknown";
      exits += replica.value("exits", 0);
    }
    const auto wanted = service.value("wanted", service.at("replicas").size());
    fmt::print("{}  {} {}/{} healthy  {}{}{}\n", pad(service.at("name").get<std::string>(), width),
               healthy >= wanted ? "✔" : "✘", healthy, wanted, short_digest(service.value("image", "")),
               exits ? fmt::format("  {} exit{}", exits, exits == 1 ? "" : "s") : "",
               service.contains("url") ? "  " + service.at("url").get<std::string>() : "");
    for (const char* note : {"why", "drift"})
      if (service.contains(note))
        fmt::print("{}  {}{}\n", pad("", width), std::string_view(note) == "why" ? "waits for " : "",
                   harmless(service.at(note).get<std::string>()));
    for (const auto& replica : service.at("replicas"))
      if (replica.value("health", "") != "healthy" && replica.value("health", "") != "unknown")
        fmt::print(
            "{}  {} {}{}\n", pad("", width), replica.at("id").get<std::string>(), replica.value("status", ""),
            replica.contains("exit_code") ? fmt::format(", exit {}", replica.at("exit_code").get<int>())
                                          : "");
  }
}

}  // namespace

void add_status(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("status", "what runs, and is it healthy");
  const auto flags = add_target_flags(*command);
  command->callback([&session, flags] {
    const auto outcome = run_target(session, *flags, "status", json::object());
    if (session.output == "json")
      fmt::print("{}\n", outcome.outputs.dump(2));
    else
      print(outcome.outputs);
  });
}

}  // namespace slipway::cli
