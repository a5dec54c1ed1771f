// Running one CNI plugin (cni-spec 0.4.0, "Parameters" and "Result"): configuration on stdin, the rest in
// CNI_*.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace slipway::oci {

namespace fs = std::filesystem;

struct CniCall {
  std::string command;  // "ADD", "DEL", "CHECK"
  std::string container_id;
  fs::path netns;  // may be empty for DEL
  std::string interface = "eth0";
};

// The folder that holds `bridge`, `host-local` and `loopback`: $CNI_PATH, Debian's or the upstream one.
// Throws Error(unavailable) with the apt line.
fs::path cni_folder();

// Runs the plugin `config["type"]` and returns its answer (null for DEL). Throws Error(unavailable) with the
// plugin's own message.
nlohmann::json run_cni(const nlohmann::json& config, const CniCall& call);

}  // namespace slipway::oci
