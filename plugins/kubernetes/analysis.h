// Is the new version good? Asked again and again while a rollout holds: its pods over HTTP, a Prometheus
// server, a command. An answer that does not come is no success: it is told as missing.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/kubernetes/cluster.h"

namespace slipway::kubernetes {

// Whom the checks are about.
struct Subject {
  std::string workload;                            // its name: `{{canary}}` in a query or command
  int port = 0;                                    // of the service; 0: none
  std::function<std::vector<std::string>()> pods;  // names of those that are ready
  fs::path project_dir;                            // where commands run
};

class Analysis {
 public:
  // `checks` of the params: [{"http" | "prometheus" | "command", "above", "below", "server", "failures",
  // "interval_ms"}].
  Analysis(Cluster& cluster, const json& checks, Subject subject);
  ~Analysis();

  // Asks what is due and takes the answers that came. Quick; called from the rollout's loop.
  void tick();
  // A check failed as often in a row as it may: what it saw. "": none.
  std::string broken() const;
  // A check that cannot tell now, and why. "": all can.
  std::string missing() const;
  // Each has passed since the beginning, the last time too.
  bool passed() const;

 private:
  struct Check;
  void ask(const std::shared_ptr<Check>& check);
  void ask_pod(const std::shared_ptr<Check>& check);
  void ask_url(const std::shared_ptr<Check>& check, const std::string& url);
  void ask_prometheus(const std::shared_ptr<Check>& check);
  void ask_command(const std::shared_ptr<Check>& check);

  Cluster& cluster_;
  Subject subject_;
  HttpGroup http_;
  std::vector<std::shared_ptr<Check>> checks_;
};

}  // namespace slipway::kubernetes
