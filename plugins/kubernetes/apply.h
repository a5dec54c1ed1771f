// Objects into the cluster by server-side apply, many at once, and out of it again.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "plugins/kubernetes/records.h"
#include "plugins/kubernetes/refusal.h"

namespace slipway::kubernetes {

// Digest of a manifest's content.
std::string hash_of(const json& manifest);
// What an object is known by when somebody changes it: its generation, or its resourceVersion.
std::string seen_of(const json& object);

// True when everything that `part` says stands in `whole` too.
bool is_part_of(const json& part, const json& whole);

// What the cluster made of an object, or would make of it.
struct Tried {
  json object;                      // null when it was refused
  std::vector<Conflict> conflicts;  // fields of others that may not be taken
  std::optional<Error> refusal;     // also for conflicts
};

class Writer {
 public:
  // `take_over`: fields ("spec.replicas") that may be taken from other managers; "*" means all.
  Writer(Api& api, Kinds& kinds, const Place& place, std::set<std::string> take_over)
      : api_(api), kinds_(kinds), place_(place), take_over_(std::move(take_over)) {}

  // As this cluster wants it: an API version that it has, and its namespace.
  json fit(json manifest);
  // Made workloads wait before their pods end; from 1.30 on the kubelet does that itself, without a `sleep`
  // in the image.
  void fit_sleep(json& workload);
  // Throws Error(denied) when one of these is there and not of this place.
  void check_ours(const std::vector<ObjectKey>& keys);
  // What each is now; null when it is not there.
  std::map<ObjectKey, json> look(const std::vector<ObjectKey>& keys);
  // The objects as they are after it, in the order given. Throws the first refusal, with the others below it.
  std::vector<json> apply(const std::vector<json>& manifests, bool dry_run = false);
  // Throws what apply() would throw, and changes nothing. Custom objects whose kind is only to come are not
  // asked about.
  void rehearse(const std::vector<json>& manifests);
  // What the objects would be, changing nothing; with conflicts, what they would be by force.
  std::vector<Tried> try_out(const std::vector<json>& manifests);
  // Until the kinds among the written are ones that objects may be made of.
  void await_kinds(const std::vector<json>& written);
  // Those that are there; waits until they are gone when `wait`.
  void remove(const std::vector<ObjectKey>& keys, bool wait);

 private:
  Request patch(const json& manifest, bool force, bool dry_run);
  bool may_take(const std::vector<Conflict>& conflicts) const;
  std::vector<Tried> put(const std::vector<json>& manifests, bool dry_run, bool look_behind_conflicts);
  void side_by_side(std::size_t count, const std::function<Request(std::size_t)>& request,
                    const std::function<void(std::size_t, Answer)>& done);
  void wait_until(Millis limit, const std::function<std::string()>& what_for);

  Api& api_;
  Kinds& kinds_;
  const Place& place_;
  std::set<std::string> take_over_;
};

}  // namespace slipway::kubernetes
