#include "oci/cni.h"

#include <cstdlib>

#include "base/error.h"
#include "sys/process.h"

namespace slipway::oci {

namespace {

using nlohmann::json;

bool has_plugins(const fs::path& folder) {
  std::error_code ec;
  for (const char* name : {"bridge", "host-local", "loopback"})
    if (!fs::exists(folder / name, ec)) return false;
  return true;
}

// A plugin tells its fault as JSON on stdout; one that could not even start does so on stderr.
std::string fault(const std::string& out, const std::string& err, const ExitStatus& status) {
  const auto answer = json::parse(out, nullptr, false);
  if (answer.is_object() && answer.contains("msg")) {
    auto text = answer.value("msg", std::string());
    if (const auto details = answer.value("details", std::string()); !details.empty()) text += ": " + details;
    return text;
  }
  auto text = err.empty() ? out : err;
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? status.str() : text;
}

}  // namespace

fs::path cni_folder() {
  if (const char* given = std::getenv("CNI_PATH"); given && *given) return given;
  for (const char* folder : {"/usr/lib/cni", "/opt/cni/bin"})
    if (has_plugins(folder)) return folder;
  throw Error(ExitCode::unavailable,
              "the CNI plugins `bridge`, `host-local` and `loopback` are not installed")
      .hint("apt-get install containernetworking-plugins");
}

json run_cni(const json& config, const CniCall& call) {
  const auto folder = cni_folder();
  const auto type = config.at("type").get<std::string>();
  Command command;
  command.argv = {(folder / type).string()};
  command.input = config.dump();
  command.env = {{"CNI_COMMAND", call.command},
                 {"CNI_CONTAINERID", call.container_id},
                 {"CNI_NETNS", call.netns.string()},
                 {"CNI_IFNAME", call.interface},
                 {"CNI_PATH", folder.string()}};
  WaitOptions options;
  options.timeout = Millis{30'000};
  std::string out, err;
  const auto finished = run_process(
      command, [&](Stream stream, std::string_view text) { (stream == Stream::out ? out : err) += text; },
      options);
  if (finished.timed_out)
    throw Error(ExitCode::timeout, fmt::format("the CNI plugin `{}` did not end in time", type)).retryable();
  if (!finished.status.ok())
    throw Error(ExitCode::unavailable, fmt::format("the CNI plugin `{}` cannot {} `{}`: {}", type,
                                                   call.command == "DEL" ? "detach" : "attach",
                                                   call.container_id, fault(out, err, finished.status)));
  if (call.command == "DEL") return nullptr;
  auto answer = json::parse(out, nullptr, false);
  if (answer.is_discarded())
    throw Error(ExitCode::unavailable, fmt::format("the CNI plugin `{}` gave no JSON answer", type));
  return answer;
}

}  // namespace slipway::oci
