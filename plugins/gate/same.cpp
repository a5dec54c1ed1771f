#include "plugins/gate/same.h"

#include <algorithm>

#include "base/clock.h"
#include "base/utc.h"

namespace slipway::gate {

namespace {

// "sha256:91ab3c4d5e6f"
std::string shortened(const std::string& digest) {
  const auto colon = digest.find(':');
  return colon == std::string::npos ? digest : digest.substr(0, colon + 13);
}

// A replica without any check counts as soon as it runs, as it does for the rollout itself.
std::size_t healthy_replicas(const json& service) {
  if (service.contains("ready")) return service["ready"].get<std::size_t>();
  const auto replicas = service.value("replicas", json::array());
  return static_cast<std::size_t>(std::count_if(replicas.begin(), replicas.end(), [](const json& one) {
    const auto health = one.value("health", std::string());
    return health == "healthy" || health == "unknown";
  }));
}

// What speaks against one service; "": nothing.
std::string fault_of(const std::string& name, const std::string& digest, const json* there,
                     const std::string& environment, const std::string& since) {
  if (!there) return fmt::format("{} does not run in {}", name, environment);
  const auto image = there->value("image", std::string());
  if (image != digest)
    return fmt::format("{}: {} serves {}{}, this rollout brings {}", name, environment, shortened(image),
                       since, shortened(digest));
  if (there->contains("drift"))
    return fmt::format("{}: {} in {}", name, there->at("drift").get<std::string>(), environment);
  const auto wanted = there->value("wanted", there->value("replicas", json::array()).size());
  const auto healthy = healthy_replicas(*there);
  if (wanted == 0) return fmt::format("{} has no replica in {}", name, environment);
  if (healthy < wanted || there->contains("why"))
    return fmt::format("{}: {} of {} replicas are healthy in {}{}", name, healthy, wanted, environment,
                       there->contains("why") ? ", it waits for " + there->at("why").get<std::string>() : "");
  return {};
}

}  // namespace

Verdict compare(const json& params, std::int64_t now) {
  const auto environment = params.at("environment").get<std::string>();
  const auto& status = params.at("status");
  const auto release = status.value("release", std::string());
  Verdict out;
  if (release.empty()) {
    out.lines.push_back(fmt::format("nothing was rolled out to {} yet", environment));
    return out;
  }
  const auto live = parse_utc(status.value("live", status.value("created", std::string())));
  const auto lasted = Millis(live ? std::max<std::int64_t>(0, now - *live) / 1000 : 0);
  const auto since =
      live ? fmt::format(" since {}Z ({})", format_utc(*live).substr(0, 19), format_duration(lasted))
           : std::string();
  if (status.contains("rollout"))
    out.lines.push_back(fmt::format("release {} is on its way in {}, or was cut off",
                                    status.at("rollout").get<std::string>(), environment));
  const auto services = status.value("services", json::array());
  const auto images = params.at("images").get<std::map<std::string, std::string>>();
  for (const auto& [name, digest] : images) {
    const auto found = std::find_if(services.begin(), services.end(), [&, &wanted = name](const json& one) {
      return one.value("name", std::string()) == wanted;
    });
    auto fault = fault_of(name, digest, found == services.end() ? nullptr : &*found, environment, since);
    if (!fault.empty()) out.lines.push_back(std::move(fault));
  }
  const Millis lasting(params.value("for_ms", std::int64_t{0}));
  if (lasting > Millis(0) && !live)
    out.lines.push_back(
        fmt::format("since when release {} is good in {} is not known", release, environment));
  else if (lasted < lasting && out.lines.empty())
    out.lines.push_back(fmt::format("release {} is good in {}{}, {} are asked for: {} to go", release,
                                    environment, since, format_duration(lasting),
                                    format_duration(lasting - lasted)));
  out.open = out.lines.empty();
  if (out.open)
    out.lines.push_back(fmt::format("{} serves the same {} image{}, healthy, as release {}{}", environment,
                                    images.size(), images.size() == 1 ? "" : "s", release, since));
  return out;
}

}  // namespace slipway::gate
