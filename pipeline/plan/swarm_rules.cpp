#include "plan/swarm_rules.h"

#include "base/error.h"

namespace slipway {

void check_swarm(const std::vector<const Service*>& services, const Target& target) {
  const bool host_mode = target.publish_mode == "host";
  for (const auto* service : services) {
    if (service->ingress)
      throw Error(ExitCode::usage,
                  fmt::format("`{}` has `ingress`, which a swarm does not have", service->name))
          .at(service->ingress->where)
          .hint("`publish: PORT` opens a port on its nodes");
    if (service->manifests)
      throw Error(ExitCode::usage,
                  fmt::format("`{}` has `manifests`, which are objects of Kubernetes", service->name))
          .at(service->manifests->where);
    if (!service->publish) continue;
    if (host_mode && target.update_order == "start-first")
      throw Error(
          ExitCode::usage,
          fmt::format("`{}` publishes port {} of its nodes, so that its next version cannot start before "
                      "this one has let go of the port",
                      service->name, *service->publish))
          .at(service->where)
          .hint("take `update_order: start-first` out, or write `publish_mode: ingress`");
    if (!host_mode && target.endpoint_mode == "dnsrr")
      throw Error(ExitCode::usage,
                  fmt::format("`{}` publishes port {} on every node, which needs its virtual address",
                              service->name, *service->publish))
          .at(service->where)
          .hint("write `publish_mode: host` with `endpoint_mode: dnsrr`");
  }
}

}  // namespace slipway
