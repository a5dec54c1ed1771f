// One rollout: a release made, watched, and taken back as a whole when it does not serve.
#pragma once
#include <memory>
#include <set>

#include "plugin/plugin.h"
#include "plugins/swarm/lock.h"
#include "plugins/swarm/objects.h"
#include "plugins/swarm/records.h"

namespace slipway::swarm {

// A service did not become healthy: an answer, not an error.
struct Unhealthy {
  std::string service, why, evidence;
};

class Rollout {
 public:
  // `records` are loaded. `registry`: as Objects has it.
  Rollout(EngineApi& api, const Place& place, const Settings& settings, std::string registry,
          Records& records, Context& context);
  ~Rollout();

  bool is_done(const std::vector<ServiceSpec>& services);
  // What a rollout would do, a line each; nothing when all runs as it should.
  std::vector<std::string> foresee(const std::vector<ServiceSpec>& services);
  // Under `lock`. `rollback_of`: the release whose specifications these are, or "".
  Outcome run(const std::vector<ServiceSpec>& services, const Contents& contents,
              const std::string& rollback_of, Lock& lock);

 private:
  using Level = std::vector<const ServiceSpec*>;
  bool is_written(const ServiceSpec& service) const;
  void check_room(const std::vector<ServiceSpec>& services);
  void begin(const std::vector<ServiceSpec>& services, const std::string& rollback_of);
  void bring_out(const std::vector<Level>& levels, const Contents& contents, bool wait);
  void run_commands(const Level& level, json ServiceSpec::*spec, std::int64_t ServiceSpec::*limit,
                    const char* when);
  void wait_for(const Level& level);
  void remove_services(const std::vector<ServiceSpec>& wanted, bool say);
  void commit(const std::vector<ServiceSpec>& services);
  void collect(bool wait);
  std::vector<std::string> go_back();
  Outcome failed(const Unhealthy& what);
  void use(EngineApi& api, Records& records);
  void log(const std::string& line);

  EngineApi& api_;
  const Place& place_;
  const Settings& settings_;
  const std::string registry_;
  Records& records_;
  Context& context_;
  // On the way back: ones that go on when we were told to stop.
  std::unique_ptr<EngineApi> own_api_;
  std::unique_ptr<Records> own_records_;
  EngineApi* engine_ = nullptr;  // the one in use, with its records
  Records* remembered_ = nullptr;
  std::unique_ptr<Objects> objects_;
  Release release_;
  std::optional<Release> before_;
  std::set<std::string> changed_, ended_before_;  // names of services; ids of tasks
  Lock* lock_ = nullptr;
  bool with_commands_ = true;
};

// Services that may begin together, in the order of `depends_on`.
std::vector<std::vector<const ServiceSpec*>> levels_of(const std::vector<ServiceSpec>& services);
json urls_of(const std::vector<ServiceSpec>& services, const EngineApi& api);

}  // namespace slipway::swarm
