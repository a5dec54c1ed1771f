// HAProxy's configuration for one project: a listener per port of a service, under the service's own address.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugins/local/state.h"

namespace slipway::local {

struct Route {
  std::string service, address;  // its virtual address
  std::vector<int> ports;
  int publish = 0;  // 127.0.0.1:publish leads to the first port; 0: not
  bool http = false;
  json healthcheck;
  std::vector<Replica> servers;
};

std::string backend_name(const std::string& service, int port);  // "users_8080"

// The words after a server's name, for the file and for `add server`: address and checks.
std::string server_words(const Route& route, int port, const Replica& server);

// `with_servers` false: the part that only a new process can change.
std::string haproxy_config(const std::vector<Route>& routes, const std::string& socket, bool with_servers);

}  // namespace slipway::local
