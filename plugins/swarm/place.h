// Where and how: the names and labels of all that slipway makes in a swarm for one project and environment.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace slipway::swarm {

using nlohmann::json;

namespace label {
inline constexpr const char* project = "dev.slipway.project";
inline constexpr const char* environment = "dev.slipway.environment";
inline constexpr const char* service = "dev.slipway.service";
inline constexpr const char* spec = "dev.slipway.spec";  // of a service: the hash of what was asked for
inline constexpr const char* task = "dev.slipway.task";  // of its containers: the hash of their part of it
inline constexpr const char* record = "dev.slipway.record";  // "state" "release" "command"
}  // namespace label

struct Place {
  std::string project, environment;
  // "shop-test-web"; at most 63 characters, as swarms ask: a longer one ends in a hash.
  std::string name(std::string_view part = {}) const;
  std::string title() const { return project + " " + environment; }
  json labels() const;                                      // what every object of this place bears
  bool is_ours(const json& labels) const;                   // an object with these labels is of this place
  std::string filters(const char* record = nullptr) const;  // of a list: all of them, or one kind of record
};

struct Settings {
  bool prune = true;
  Millis deadline{600'000};
  std::optional<Millis> stable;
  bool encrypted = true;
  bool host_ports = false;      // publish_mode: host
  bool virtual_address = true;  // endpoint_mode: vip
  std::string update_order;     // "": start-first where data and ports allow it
};

std::string hash_of(const json& value);  // 16 hex digits

}  // namespace slipway::swarm
