#include "plugins/kubernetes/lease.h"

#include <unistd.h>

#include "base/clock.h"
#include "sys/process_id.h"

namespace slipway::kubernetes {

namespace {

constexpr int kSeconds = 30;
constexpr Millis kRenewal{8'000}, kPatience{2'000};

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// "HOST/PID/START": another process of this machine sees whether we live.
std::string identity() {
  return fmt::format("{}/{}/{}", host_name(), ::getpid(), start_of(::getpid()));
}

bool is_dead_process_of_this_machine(const std::string& holder) {
  const auto last = holder.rfind('/'),
             middle = last == std::string::npos ? last : holder.rfind('/', last - 1);
  if (middle == std::string::npos || holder.substr(0, middle) != host_name()) return false;
  return !is_alive(
      {std::atoi(holder.c_str() + middle + 1), std::strtoull(holder.c_str() + last + 1, nullptr, 10)});
}

std::int64_t micros_of(const std::string& time) {
  std::tm tm{};
  return ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &tm)
             ? static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000
             : 0;
}

std::string collection_of(const Place& place) {
  return "/apis/coordination.k8s.io/v1/namespaces/" + url_encoded(place.name_space) + "/leases";
}

// "" when it has ended.
std::string holder_of(const json& lease) {
  const auto& spec = lease.contains("spec") ? lease.at("spec") : json::object();
  const auto holder = spec.value("holderIdentity", "");
  const auto until =
      micros_of(spec.value("renewTime", "")) + spec.value("leaseDurationSeconds", 0) * 1'000'000ll;
  return until > now_micros() && !is_dead_process_of_this_machine(holder) ? holder : "";
}

}  // namespace

struct Lease::Impl {
  Impl(Api& a, const Place& p)
      : api(a),
        name(p.name()),
        name_space(p.name_space),
        collection(collection_of(p)),
        labels(p.labels()),
        title(p.title()) {}

  json body(const std::string& holder) const {
    json out = {{"apiVersion", "coordination.k8s.io/v1"},
                {"kind", "Lease"},
                {"metadata", {{"name", name}, {"namespace", name_space}, {"labels", labels}}},
                {"spec",
                 {{"holderIdentity", holder},
                  {"leaseDurationSeconds", kSeconds},
                  {"renewTime", format_utc(now_micros())}}}};
    if (!version.empty()) out["metadata"]["resourceVersion"] = version;
    return out;
  }

  Request write(const std::string& holder) const {
    Request request;
    request.method = version.empty() ? "POST" : "PUT";
    request.path = version.empty() ? collection : collection + "/" + name;
    request.body = body(holder);
    return request;
  }

  void take() {
    if (const auto found = api.find(collection + "/" + name)) {
      version = found->value("/metadata/resourceVersion"_json_pointer, "");
      if (const auto holder = holder_of(*found); !holder.empty())
        throw Error(ExitCode::denied,
                    fmt::format("another rollout of `{}` is on its way: {} has the lock", title, holder))
            .hint(
                fmt::format("wait until it ends; its lock ends {} s after its last sign of life", kSeconds));
    }
    try {
      version = api.call(write(identity())).value("/metadata/resourceVersion"_json_pointer, "");
    } catch (const ApiError& e) {
      if (e.status != 409) throw;
      throw Error(ExitCode::denied, fmt::format("another rollout of `{}` began at the same moment", title))
          .hint("wait until it ends");
    }
    due = std::chrono::steady_clock::now() + kRenewal;
  }

  // Through an Api of its own: a rollout that was told to stop keeps its lock until it has gone back.
  void renew() {
    if (lost || std::chrono::steady_clock::now() < due) return;
    if (!own) own.emplace(api.connection(), std::stop_token{});
    due = std::chrono::steady_clock::now() + kRenewal;
    try {
      auto request = write(identity());
      request.timeout = request.patience.emplace(kPatience);
      version = own->call(std::move(request)).value("/metadata/resourceVersion"_json_pointer, "");
    } catch (const ApiError& e) {
      lost = e.status == 404 || (e.status == 409 && !is_ours_still());
      if (!lost) due = std::chrono::steady_clock::now() + kPatience;
    }
  }

  // A renewal whose answer was lost on the way has changed the version, and nobody else has.
  bool is_ours_still() {
    try {
      const auto found = own->find(collection + "/" + name);
      if (!found || found->value("/spec/holderIdentity"_json_pointer, "") != identity()) return false;
      version = found->value("/metadata/resourceVersion"_json_pointer, "");
    } catch (const ApiError&) {
      // Out of reach for now: the next renewal tells.
    }
    return true;
  }

  void give_back() {
    if (lost) return;
    try {
      // Also when we were told to stop, which ends every request of `api`.
      if (!own) own.emplace(api.connection(), std::stop_token{});
      own->call(write(""));
    } catch (const Error&) {
      // It ends by itself.
    }
  }

  Api& api;
  const std::string name, name_space, collection;
  const json labels;
  const std::string title;
  std::string version;
  std::optional<Api> own;
  std::chrono::steady_clock::time_point due;
  bool lost = false;
};

Lease::Lease(Api& api, const Place& place) : impl_(std::make_unique<Impl>(api, place)) {
  impl_->take();
}

Lease::~Lease() {
  impl_->give_back();
}

std::string Lease::holder(Api& api, const Place& place) {
  const auto found = api.find(collection_of(place) + "/" + place.name());
  return found ? holder_of(*found) : "";
}

void Lease::check() {
  impl_->renew();
  if (impl_->lost)
    throw Error(ExitCode::denied, fmt::format("the lock of `{}` was taken by another rollout", impl_->title))
        .hint("this one was out of reach of the cluster for too long");
}

}  // namespace slipway::kubernetes
