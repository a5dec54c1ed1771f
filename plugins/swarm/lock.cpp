#include "plugins/swarm/lock.h"

#include <unistd.h>

#include "base/clock.h"
#include "sys/process_id.h"

namespace slipway::swarm {

namespace {

constexpr std::int64_t kSeconds = 30;
constexpr int kTries = 5;
constexpr Millis kRenewal{8'000}, kSoon{500};

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Another process of this machine sees whether we live.
std::string identity() {
  return fmt::format("{}/{}/{}", host_name(), ::getpid(), start_of(::getpid()));
}

bool is_dead_process_of_this_machine(const std::string& owner) {
  const auto last = owner.rfind('/'), middle = last == std::string::npos ? last : owner.rfind('/', last - 1);
  if (middle == std::string::npos || owner.substr(0, middle) != host_name()) return false;
  return !is_alive(
      {std::atoi(owner.c_str() + middle + 1), std::strtoull(owner.c_str() + last + 1, nullptr, 10)});
}

}  // namespace

struct Lock::Impl : std::enable_shared_from_this<Lock::Impl> {
  Impl(EngineApi& a, const Place& p, Records& r) : api(&a), place(p), records(&r), endpoint(a.endpoint()) {}

  void take() {
    for (int tries = 0;; ++tries) {
      records->load();
      const auto& owner = records->state.owner;
      if (!owner.empty() && records->state.until > now_micros() && !is_dead_process_of_this_machine(owner))
        throw Error(ExitCode::denied, fmt::format("another rollout of `{}` is on its way: {} has the lock",
                                                  place.title(), owner))
            .hint(
                fmt::format("wait until it ends; its lock ends {} s after its last sign of life", kSeconds));
      records->state.owner = identity();
      extend();
      if (records->try_save()) break;
      if (tries >= kTries)
        throw Error(ExitCode::unavailable, fmt::format("the lock of `{}` cannot be written", place.title()))
            .hint("look at the swarm with `docker node ls`: more than half of its managers must be up");
      api->wait(Millis(100 << tries));
    }
    later(kRenewal);
  }

  void extend() { records->state.until = now_micros() + kSeconds * 1'000'000; }

  void later(Millis delay) {
    api->later(delay, [self = shared_from_this()] {
      if (!self->ended) self->renew();
    });
  }

  void renew() {
    if (records->is_saving()) return later(kSoon);
    extend();
    try {
      records->save();
      later(kRenewal);
    } catch (const Error& e) {
      if (e.code() == ExitCode::interrupted) throw;
      if (e.code() == ExitCode::denied)
        lost = true;
      else
        later(kSoon);  // it holds for a while
    }
  }

  void give_back() {
    ended = true;
    if (lost) return;
    try {
      // Also when we were told to stop, which ends every request of `api`.
      EngineApi fresh(endpoint, {});
      Records own(fresh, place);
      own.load();
      if (own.state.owner != identity()) return;
      own.state.owner.clear();
      own.state.until = 0;
      own.save();
    } catch (const Error&) {
      // It ends by itself.
    }
  }

  EngineApi* api;
  const Place& place;
  Records* records;
  const oci::EngineEndpoint endpoint;
  bool ended = false, lost = false;
};

Lock::Lock(EngineApi& api, const Place& place, Records& records)
    : impl_(std::make_shared<Impl>(api, place, records)) {
  impl_->take();
}

Lock::~Lock() {
  if (!impl_->ended) impl_->give_back();
}

void Lock::check() const {
  if (impl_->lost)
    throw Error(ExitCode::denied,
                fmt::format("the lock of `{}` was taken by another rollout", impl_->place.title()))
        .hint("this one was out of reach of the swarm for too long");
}

void Lock::move_to(EngineApi& api, Records& records) {
  impl_->api = &api;
  impl_->records = &records;
  impl_->later(kSoon);
}

void Lock::gone() {
  impl_->ended = true;
}

}  // namespace slipway::swarm
