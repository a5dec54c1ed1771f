// What slipway and slipway-shim tell each other about one replica, as JSON: the order (on the shim's stdin,
// never on disk: it may hold secrets) and the state file (REPLICA/state.json, replaced whole at every
// change).
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sys/process_id.h"

namespace slipway::local {

namespace fs = std::filesystem;
using nlohmann::json;

// Its children, as far as its main thread made them.
inline std::vector<pid_t> children_of(pid_t pid) {
  const auto name = std::to_string(pid);
  std::ifstream file("/proc/" + name + "/task/" + name + "/children");
  std::vector<pid_t> out;
  for (pid_t child = 0; file >> child;) out.push_back(child);
  return out;
}

struct ReplicaOrder {
  std::string id;
  fs::path dir, cache_dir;
  std::vector<std::string> lowers;  // folders of the image's layers, lowest first
  std::vector<std::string> args, env;
  std::string cwd, user, hostname, netns;
  std::map<std::string, std::string> hosts;    // name → address
  std::map<std::string, std::string> volumes;  // target → folder
  std::map<std::string, std::string> files;    // target → content; in memory only
  std::vector<std::string> tmpfs;
  std::string stop_signal = "SIGTERM";
  std::int64_t stop_grace_ms = 10'000;
  std::int64_t restart_delay_ms = 1'000;  // doubled at each exit up to a minute
  std::uint64_t log_bytes = 10u << 20;    // of one file
  int log_files = 3;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(ReplicaOrder, id, dir, cache_dir, lowers, args, env, cwd, user,
                                              hostname, netns, hosts, volumes, files, tmpfs, stop_signal,
                                              stop_grace_ms, restart_delay_ms, log_bytes, log_files)
};

struct ReplicaState {
  std::string status;          // "starting" "running" "waiting" (to be restarted) "stopping" "stopped"
  pid_t shim = 0, runner = 0;  // `runner`: the parent of the PID namespace that the container lives in
  std::uint64_t shim_start = 0;
  int exits = 0;
  std::optional<int> exit_code;          // of the last exit; 128+n: killed by signal n
  std::int64_t started = 0, exited = 0;  // microseconds since the epoch; 0: never
  std::uint64_t dropped_log_bytes = 0;   // could not be written (disk full)

  ProcessId shim_process() const { return {shim, shim_start}; }

  json to_json() const {
    json out = {{"status", status},         {"shim", shim},
                {"shim_start", shim_start}, {"runner", runner},
                {"exits", exits},           {"started", started},
                {"exited", exited},         {"dropped_log_bytes", dropped_log_bytes}};
    if (exit_code) out["exit_code"] = *exit_code;
    return out;
  }

  static std::optional<ReplicaState> parse(const std::string& text) {
    const auto from = json::parse(text, nullptr, false);
    if (!from.is_object()) return std::nullopt;
    ReplicaState out;
    out.status = from.value("status", "");
    out.shim = from.value("shim", 0);
    out.shim_start = from.value("shim_start", std::uint64_t{0});
    out.runner = from.value("runner", 0);
    out.exits = from.value("exits", 0);
    out.started = from.value("started", std::int64_t{0});
    out.exited = from.value("exited", std::int64_t{0});
    out.dropped_log_bytes = from.value("dropped_log_bytes", std::uint64_t{0});
    if (from.contains("exit_code")) out.exit_code = from.at("exit_code").get<int>();
    return out;
  }
};

}  // namespace slipway::local
