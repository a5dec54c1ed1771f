#include "plugins/swarm/records.h"

#include <algorithm>

#include "plugins/swarm/objects.h"
#include "sys/base64.h"
#include "sys/zstd.h"

namespace slipway::swarm {

namespace {

constexpr std::size_t kMaxRecord = 64u << 20;
// Configs are no longer (swarmkit manager/controlapi/config.go).
constexpr std::size_t kMaxConfig = 500'000;
constexpr const char* kContent = "slipway keeps what it knows in the labels of this config\n";

int number_of(const std::string& id) {
  return id.size() > 1 ? std::atoi(id.c_str() + 1) : 0;
}

std::string release_name(const Place& place, const std::string& id) {
  return place.name("slipway-" + id);
}

Release unpacked(const json& config) {
  const auto packed = base64_decode(config.value("/Spec/Data"_json_pointer, ""));
  const auto text = packed ? zstd_decompress(*packed, kMaxRecord) : std::nullopt;
  const auto out = text ? json::parse(*text, nullptr, false) : json();
  if (!out.is_object())
    throw Error(ExitCode::unavailable, fmt::format("the record `{}` in the swarm is damaged",
                                                   config.value("/Spec/Name"_json_pointer, "")))
        .hint("remove it with `docker config rm`: the releases before it stay");
  auto release = out.get<Release>();
  release.state = config.value("/Spec/Labels/dev.slipway.state"_json_pointer, release.state);
  return release;
}

}  // namespace

const ServiceSpec* Release::find(const std::string& service) const {
  for (const auto& one : services)
    if (one.name == service) return &one;
  return nullptr;
}

std::string Records::state_name() const {
  return place_.name("slipway");
}

json Records::body(const std::string& name, const char* role, const std::string& content) const {
  auto labels = place_.labels();
  labels[label::record] = role;
  return {{"Name", name}, {"Labels", labels}, {"Data", base64_encode(content)}};
}

void Records::load() {
  state = {};
  id_.clear();
  version_ = 0;
  const auto found = api_.find("/configs/" + state_name());
  if (!found) return;
  const auto labels = found->value("/Spec/Labels"_json_pointer, json::object());
  if (!place_.is_ours(labels))
    throw Error(ExitCode::denied,
                fmt::format("the config `{}` is there already and not of `{}`", state_name(), place_.title()))
        .hint("remove it with `docker config rm`, or give the project another name");
  const auto text = [&](const char* name) { return labels.value(std::string("dev.slipway.") + name, ""); };
  id_ = found->value("ID", "");
  version_ = found->value("/Version/Index"_json_pointer, std::int64_t{0});
  state.release = text("release");
  state.rollout = text("rollout");
  state.last = std::atoi(text("last").c_str());
  state.data_node = text("data-node");
  state.owner = text("owner");
  state.until = std::strtoll(text("until").c_str(), nullptr, 10);
  const auto seen = json::parse(text("seen"), nullptr, false);
  if (seen.is_object()) state.seen = seen.get<std::map<std::string, std::string>>();
}

// False when somebody changed it since it was loaded, or the answer was lost.
bool Records::write() {
  auto spec = body(state_name(), "state", kContent);
  auto& labels = spec["Labels"];
  labels["dev.slipway.release"] = state.release;
  labels["dev.slipway.rollout"] = state.rollout;
  labels["dev.slipway.last"] = std::to_string(state.last);
  labels["dev.slipway.data-node"] = state.data_node;
  labels["dev.slipway.owner"] = state.owner;
  labels["dev.slipway.until"] = std::to_string(state.until);
  labels["dev.slipway.seen"] = json(state.seen).dump();
  oci::EngineRequest request;
  request.method = "POST";
  request.path = id_.empty() ? "/configs/create" : "/configs/" + id_ + "/update";
  if (!id_.empty()) request.query["version"] = std::to_string(version_);
  request.body = std::move(spec);
  try {
    api_.call(std::move(request));
  } catch (const EngineError& e) {
    if (!may_be_written(e)) throw;
    return false;
  }
  return true;
}

bool Records::try_save() {
  saving_ = true;
  struct Reset {
    bool& flag;
    ~Reset() { flag = false; }
  } reset{saving_};
  const auto wanted = state;
  const bool written = write();
  // The new version is told by a look only; so is what became of a lost answer.
  load();
  const auto now = std::exchange(state, wanted);
  other_ = now.owner == wanted.owner ? "" : now.owner;
  return written || (now.owner == wanted.owner && now.until == wanted.until && now.last == wanted.last);
}

void Records::save() {
  for (int tries = 0;; ++tries) {
    if (try_save()) return;
    if (!other_.empty())
      throw Error(ExitCode::denied, fmt::format("the lock of `{}` was taken by {}", place_.title(), other_))
          .hint("this rollout was out of reach of the swarm for too long");
    if (tries >= 5)
      throw Error(ExitCode::unavailable,
                  fmt::format("the record `{}` in the swarm cannot be written", state_name()))
          .hint("look at the swarm with `docker node ls`: more than half of its managers must be up");
    api_.wait(Millis(200 << tries));
  }
}

void Records::save(const Release& release) {
  const auto name = release_name(place_, release.id);
  auto spec = body(name, "release", zstd_compress(json(release).dump()));
  if (spec["Data"].get_ref<const std::string&>().size() > kMaxConfig * 4 / 3)
    throw Error(ExitCode::usage,
                fmt::format("the release has {} services, which is more than a swarm's config "
                            "holds",
                            release.services.size()))
        .hint("split the project in two");
  spec["Labels"]["dev.slipway.state"] = release.state;
  for (int tries = 0;; ++tries) {
    const auto found = api_.find("/configs/" + name);
    if (found && !place_.is_ours(found->value("/Spec/Labels"_json_pointer, json())))
      throw Error(ExitCode::denied,
                  fmt::format("the config `{}` is there already and not of `{}`", name, place_.title()))
          .hint("remove it with `docker config rm`");
    if (found && found->value("/Spec/Labels/dev.slipway.state"_json_pointer, "") == release.state) return;
    oci::EngineRequest request;
    request.method = "POST";
    request.path = "/configs/create";
    request.body = spec;
    if (found) {  // its content cannot be changed, its labels can
      request.path = "/configs/" + found->value("ID", "") + "/update";
      request.query["version"] = std::to_string(found->value("/Version/Index"_json_pointer, std::int64_t{0}));
      request.body["Data"] = found->value("/Spec/Data"_json_pointer, "");
    }
    try {
      api_.call(std::move(request));
      return;
    } catch (const EngineError& e) {
      if (!may_be_written(e) || tries >= 5) throw;
      api_.wait(Millis(200 << tries));
    }
  }
}

void Records::forget(const std::string& id) {
  remove_object(api_, "/configs/" + release_name(place_, id));
}

std::vector<Release> Records::releases() {
  std::vector<Release> out;
  for (const auto& config : api_.get("/configs", {{"filters", place_.filters("release")}}))
    out.push_back(unpacked(config));
  std::sort(out.begin(), out.end(),
            [](const Release& a, const Release& b) { return number_of(a.id) < number_of(b.id); });
  return out;
}

void Records::remove_all() {
  for (const auto& config : api_.get("/configs", {{"filters", place_.filters("release")}}))
    remove_object(api_, "/configs/" + config.value("ID", ""));
  if (!id_.empty()) remove_object(api_, "/configs/" + id_);
  id_.clear();
  state = {};
}

}  // namespace slipway::swarm
