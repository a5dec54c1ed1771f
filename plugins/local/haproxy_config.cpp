#include "plugins/local/haproxy_config.h"

#include "oci/probe.h"

namespace slipway::local {

namespace {

std::optional<oci::Healthcheck> check_of(const Route& route) {
  return oci::Healthcheck::of_service(
      {{"port", route.ports.empty() ? 0 : route.ports[0]}, {"healthcheck", route.healthcheck}});
}

// A word in single quotes, in which HAProxy gives no character a meaning.
std::string quoted(const std::string& text) {
  for (const unsigned char c : text)
    if (c == '\'' || c < 0x21 || c == 0x7f)
      throw Error(ExitCode::usage, fmt::format("`{}` is no path to ask for", text))
          .hint("write spaces as %20");
  return "'" + text + "'";
}

}  // namespace

std::string backend_name(const std::string& service, int port) {
  return fmt::format("{}_{}", service, port);
}

std::string server_words(const Route& route, int port, const Replica& server) {
  auto words = fmt::format("{}:{}", server.address, port);
  const auto check = check_of(route);
  // A command can only be run inside; that its port answers is all that is seen from here.
  const int asked =
      check && check->kind != oci::Healthcheck::Kind::test && port == route.ports[0] ? check->port : port;
  const auto interval = check ? std::max(check->interval, Millis(1'000)) : Millis(2'000);
  return words + fmt::format(" check port {} inter {}ms fall 3 rise 1", asked, interval.count());
}

std::string haproxy_config(const std::vector<Route>& routes, const std::string& socket, bool with_servers) {
  std::string out = fmt::format(
      "# Written by slipway; changed with every rollout.\n"
      "global\n"
      "  stats socket {} mode 600 level admin expose-fd listeners\n"
      "  stats timeout 1m\n"
      "  hard-stop-after 1h\n"
      "  spread-checks 10\n"
      "  maxconn 8192\n"
      "  user nobody\n"
      "  group nogroup\n"
      "defaults\n"
      "  timeout connect 5s\n"
      "  timeout check 5s\n"
      "  timeout queue 10s\n"
      "  timeout http-request 60s\n"
      "  timeout tunnel 24h\n"
      "  retries 3\n"
      "  option redispatch 1\n",
      socket);
  for (const auto& route : routes) {
    for (const int port : route.ports) {
      const bool first = port == route.ports[0];
      const bool http = route.http && first;
      const auto name = backend_name(route.service, port);
      const auto times = http ? "  mode http\n  timeout client 75s\n  timeout server 10m\n"
                              : "  mode tcp\n  timeout client 24h\n  timeout server 24h\n";
      out += fmt::format("frontend {}\n{}  bind {}:{}\n", name, times, route.address, port);
      if (first && route.publish) out += fmt::format("  bind 127.0.0.1:{}\n", route.publish);
      if (http) out += "  option forwardfor\n";
      if (!http) out += "  option clitcpka\n";
      out += fmt::format("  default_backend {}\nbackend {}\n{}  balance roundrobin\n", name, name, times);
      if (http) {
        const auto check = check_of(route);
        // A request that may have been acted upon is not sent twice.
        out +=
            "  retry-on conn-failure empty-response\n"
            "  http-request disable-l7-retry if !{ method GET HEAD OPTIONS }\n"
            "  option httpchk\n";
        out += fmt::format(
            "  http-check send meth GET uri {} ver HTTP/1.1 hdr Host {} hdr User-Agent slipway-probe\n"
            "  http-check expect rstatus ^[23]\n",
            quoted(check ? check->path : "/"), route.service);
      } else {
        out += "  option srvtcpka\n  option tcp-check\n";
      }
      if (!with_servers) continue;
      for (const auto& server : route.servers)
        out += fmt::format("  server {} {}\n", server.id, server_words(route, port, server));
    }
  }
  return out;
}

}  // namespace slipway::local
