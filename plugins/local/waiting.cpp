#include "plugins/local/waiting.h"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace slipway::local {

namespace {

constexpr std::size_t kAnswersTold = 5;
constexpr std::size_t kLinesTold = 20;
constexpr Millis kSteady{1'000};

std::string indent(const std::string& text) {
  std::string out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    out += "  " + text.substr(from, end - from) + "\n";
    from = end + 1;
  }
  return out;
}

// What a person needs to see why: the answers, how it ended, the last lines it wrote.
Unhealthy unhealthy(const ServicePlan& plan, const Replica& replica, const Replicas& replicas,
                    std::string why, const std::deque<std::string>& answers) {
  Unhealthy out{plan.name, replica.id, std::move(why), ""};
  if (!answers.empty()) {
    out.evidence += "last probe answers:\n";
    for (const auto& answer : answers) out.evidence += "  " + answer + "\n";
  }
  if (const auto state = replicas.state(replica.id); state && state->exit_code)
    out.evidence += fmt::format("exits: {}, the last with code {}\n", state->exits, *state->exit_code);
  const auto lines = replicas.last_lines(replica.id, kLinesTold);
  out.evidence += lines.empty() ? fmt::format("{} wrote nothing\n", replica.id)
                                : fmt::format("last lines of {}:\n{}", replica.id, indent(lines));
  return out;
}

void wait_steady(const Replica& replica, const Replicas& replicas, const std::stop_token& stop,
                 std::optional<std::string>& why) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  for (auto left = kSteady; left > Millis(0) && !why; left -= Millis(50)) {
    wake.wait_for(lock, stop, Millis(50), [] { return false; });
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
    why = replicas.ended(replica.id);
    if (!replicas.running(replica.id)) left = kSteady + Millis(50);
  }
}

}  // namespace

std::optional<oci::Healthcheck> check_of(const ServicePlan& plan) {
  const json params = {{"port", plan.ports.empty() ? 0 : plan.ports[0]}, {"healthcheck", plan.healthcheck}};
  if (auto check = oci::Healthcheck::of_service(params)) return check;
  if (plan.ports.empty()) return std::nullopt;
  oci::Healthcheck check;
  check.kind = oci::Healthcheck::Kind::tcp;
  check.port = plan.ports[0];
  check.interval = Millis(250);
  check.retries = 120;
  return check;
}

void wait_until_healthy(const ServicePlan& plan, const Replica& replica, const Replicas& replicas,
                        std::stop_token stop) {
  std::deque<std::string> answers;
  const auto check = check_of(plan);
  if (!check) {
    std::optional<std::string> why;
    wait_steady(replica, replicas, stop, why);
    if (why) throw unhealthy(plan, replica, replicas, *why, answers);
    return;
  }
  oci::ProbeTarget target;
  target.address = replica.address;
  target.run_inside = [&](const auto& argv, Millis timeout, std::stop_token inner) {
    return replicas.run_inside(replica.id, argv, timeout, inner);
  };
  const auto result = oci::wait_healthy(
      *check, target, [&] { return replicas.ended(replica.id); }, stop,
      [&](const oci::ProbeAnswer& answer) {
        answers.push_back(fmt::format("{}: {}", check->str(), answer.text));
        if (answers.size() > kAnswersTold) answers.pop_front();
      });
  if (result.healthy) return;
  const auto end = replicas.ended(replica.id);
  throw unhealthy(
      plan, replica, replicas,
      end ? *end : fmt::format("{}: {} ({} times asked)", check->str(), result.last, result.asked), answers);
}

}  // namespace slipway::local
