#include "plugins/local/state.h"

#include "sys/files.h"

namespace slipway::local {

namespace {

template <typename T>
std::optional<T> load_json(const fs::path& file) {
  const auto text = read_file_if_exists(file);
  if (!text) return std::nullopt;
  try {
    return json::parse(*text).get<T>();
  } catch (const json::exception& e) {
    throw Error(ExitCode::unavailable, fmt::format("`{}` is damaged: {}", file.string(), e.what()))
        .hint("`slipway down` stops what runs and begins anew");
  }
}

int number_of(const std::string& id) {
  return id.size() > 1 ? std::atoi(id.c_str() + 1) : 0;
}

}  // namespace

std::size_t State::replicas() const {
  std::size_t out = 0;
  for (const auto& [_, serving] : services) out += serving.replicas.size();
  return out;
}

State State::load(const Place& place) {
  return load_json<State>(place.state()).value_or(State{});
}

void State::save(const Place& place) const {
  make_dirs(place.root, 0700);
  write_file_atomic(place.state(), json(*this).dump(), 0600);
}

std::optional<Release> Release::load(const Place& place, const std::string& id) {
  if (id.empty() || !is_safe_name(id)) return std::nullopt;
  return load_json<Release>(place.release(id));
}

void Release::save(const Place& place) const {
  make_dirs(place.root / "releases", 0700);
  write_file_atomic(place.release(id), json(*this).dump(), 0600);
}

const ServicePlan* Release::find(const std::string& service) const {
  for (const auto& plan : services)
    if (plan.name == service) return &plan;
  return nullptr;
}

const Release* Releases::find(const std::string& id) {
  auto it = known_.find(id);
  if (it == known_.end()) it = known_.emplace(id, Release::load(place_, id)).first;
  return it->second ? &*it->second : nullptr;
}

std::vector<std::string> release_ids(const Place& place) {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(place.root / "releases", ec))
    if (entry.path().extension() == ".json" && entry.path().filename().string().starts_with('r'))
      out.push_back(entry.path().stem().string());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return number_of(a) < number_of(b); });
  return out;
}

void prune_releases(const Place& place, const State& state, std::size_t keep) {
  auto ids = release_ids(place);
  if (ids.size() <= keep) return;
  std::set<std::string> needed = {state.release, state.rollout};
  for (const auto& [_, serving] : state.services) needed.insert(serving.release);
  ids.resize(ids.size() - keep);
  std::error_code ec;
  for (const auto& id : ids)
    if (!needed.contains(id)) fs::remove(place.release(id), ec);
}

}  // namespace slipway::local
