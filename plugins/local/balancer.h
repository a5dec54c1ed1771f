// The project's HAProxy: started, told who serves, and stopped. Servers come and go through its runtime
// socket, so that no client's connection is touched; only new listeners need a new process, which takes over
// the old one's sockets while that one ends what it began (haproxy management guide, "-sf", "-x").
#pragma once
#include <chrono>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "plugins/local/haproxy_config.h"
#include "plugins/local/replica_record.h"

namespace slipway::local {

class Balancer {
 public:
  // `socket`: a short path; a socket's may have 107 bytes only.
  Balancer(fs::path dir, std::string socket);

  bool running() const;
  std::set<int> published() const;  // ports of this machine that it holds, while it runs

  // Makes it serve exactly `routes`: new servers take requests when this returns, others get no new ones.
  // Throws Error(unavailable) with HAProxy's own words, naming the port when one is taken.
  void apply(const std::vector<Route>& routes);
  // Waits until the servers that get no new requests have none left, at most so long (tcp sessions last:
  // their own limit), and forgets them.
  void finish(Millis http_limit, Millis tcp_limit);
  // "UP", "DOWN", "MAINT", "DRAIN", … of each server, by id; the worst when it has several ports. Empty when
  // not running.
  std::map<std::string, std::string> statuses() const;
  void stop();  // it and those that ended their sessions only

 private:
  struct Server {
    std::string backend, id, status;
    std::int64_t sessions = 0;
  };
  struct Record {
    std::vector<ProcessId> processes;  // the last is the one that listens
    std::string structure;
    std::vector<int> published;
  };
  Record load() const;
  void save(const Record& record) const;
  std::string ask(const std::string& command) const;
  void tell(const std::string& command) const;  // expects no complaint
  std::vector<Server> servers() const;
  void start(const std::vector<Route>& routes, Record record);
  void change_servers(const std::vector<Route>& routes);

  fs::path dir_;
  std::string socket_;
};

// The program that listens on 127.0.0.1:port, "`nginx` (process 123)"; "" when none is found.
std::string listener_of(int port);
// True when nothing listens there.
bool is_port_free(int port);

}  // namespace slipway::local
