#include "plugins/swarm/place.h"

#include "oci/engine_api.h"
#include "sys/digest.h"

namespace slipway::swarm {

namespace {

constexpr std::size_t kLongest = 63;

}  // namespace

std::string Place::name(std::string_view part) const {
  auto out = project + "-" + environment;
  if (!part.empty()) out += "-" + std::string(part);
  if (out.size() > kLongest) out = out.substr(0, kLongest - 9) + "-" + Digest::of(out).hex().substr(0, 8);
  return out;
}

json Place::labels() const {
  return {{label::project, project}, {label::environment, environment}};
}

bool Place::is_ours(const json& labels) const {
  return labels.is_object() && labels.value(label::project, "") == project &&
         labels.value(label::environment, "") == environment;
}

std::string Place::filters(const char* record) const {
  std::vector<std::string> labels = {std::string(label::project) + "=" + project,
                                     std::string(label::environment) + "=" + environment};
  if (record) labels.push_back(std::string(label::record) + "=" + record);
  return oci::engine_filters({{"label", labels}});
}

std::string hash_of(const json& value) {
  return Digest::of(value.dump()).hex().substr(0, 16);
}

}  // namespace slipway::swarm
