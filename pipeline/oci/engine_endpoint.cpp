#include "oci/engine_endpoint.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "sys/digest.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

using nlohmann::json;

constexpr const char* kUsual = "unix:///var/run/docker.sock";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path docker_folder() {
  if (const auto folder = variable("DOCKER_CONFIG"); !folder.empty()) return folder;
  return fs::path(variable("HOME")) / ".docker";
}

void add_files(EngineTls& tls, const fs::path& folder) {
  const auto take = [&](fs::path& into, const char* name) {
    std::error_code ec;
    if (fs::exists(folder / name, ec)) into = folder / name;
  };
  take(tls.ca, "ca.pem");
  take(tls.cert, "cert.pem");
  take(tls.key, "key.pem");
}

// docker keeps a context below the SHA-256 of its name (cli/context/store/metadatastore.go).
EngineEndpoint from_context(const std::string& name) {
  const auto folder = docker_folder() / "contexts";
  const auto id = Digest::of(name).hex();
  const auto file = folder / "meta" / id / "meta.json";
  const auto text = read_file_if_exists(file, 1 << 20);
  if (!text)
    throw Error(ExitCode::usage, fmt::format("docker has no context `{}`", name))
        .hint("`docker context ls` lists them; `host` under `target` needs none");
  const auto meta = json::parse(*text, nullptr, false);
  const auto docker = meta.is_object() ? meta.value("/Endpoints/docker"_json_pointer, json()) : json();
  if (!docker.is_object() || !docker.contains("Host") || !docker["Host"].is_string())
    throw Error(ExitCode::usage, fmt::format("`{}` names no engine", file.string()));
  EngineEndpoint out;
  out.host = docker["Host"].get<std::string>();
  out.verify = !docker.value("SkipTLSVerify", false);
  add_files(out.tls, folder / "tls" / id / "docker");
  return out;
}

std::string current_context() {
  if (auto name = variable("DOCKER_CONTEXT"); !name.empty()) return name;
  const auto text = read_file_if_exists(docker_folder() / "config.json", 1 << 20);
  const auto config = text ? json::parse(*text, nullptr, false) : json();
  const auto it = config.is_object() ? config.find("currentContext") : config.end();
  return config.is_object() && it != config.end() && it->is_string() ? it->get<std::string>() : "";
}

EngineEndpoint from_environment() {
  EngineEndpoint out;
  out.host = variable("DOCKER_HOST");
  if (out.host.empty()) {
    const auto context = current_context();
    if (!context.empty() && context != "default") return from_context(context);
    out.host = kUsual;
    return out;
  }
  // As docker does: any value of DOCKER_TLS_VERIFY turns TLS on.
  if (out.host.starts_with("tcp://") && !variable("DOCKER_TLS_VERIFY").empty()) {
    const auto folder = variable("DOCKER_CERT_PATH");
    add_files(out.tls, folder.empty() ? docker_folder() : fs::path(folder));
    if (out.tls.empty())
      throw Error(ExitCode::usage, "DOCKER_TLS_VERIFY is set, and there are no certificates")
          .hint("DOCKER_CERT_PATH names the folder with ca.pem, cert.pem and key.pem");
  }
  return out;
}

bool is_word(const std::string& text, const char* more) {
  if (text.empty() || text[0] == '-') return false;
  for (const unsigned char c : text)
    if (!std::isalnum(c) && std::string_view(more).find(static_cast<char>(c)) == std::string_view::npos)
      return false;
  return true;
}

}  // namespace

std::string EngineEndpoint::describe() const {
  return fmt::format("Docker Engine at {}", host);
}

SshPlace parse_ssh(const std::string& url) {
  SshPlace out;
  auto rest = url.substr(std::string_view("ssh://").size());
  if (const auto slash = rest.find('/'); slash != std::string::npos) {
    out.socket = rest.substr(slash);
    rest.resize(slash);
  }
  if (out.socket.empty() || out.socket == "/") out.socket = "/var/run/docker.sock";
  if (const auto at = rest.find('@'); at != std::string::npos) {
    out.user = rest.substr(0, at);
    rest.erase(0, at + 1);
    if (!is_word(out.user, "._-"))
      throw Error(ExitCode::usage, fmt::format("`{}` names no user that ssh could take", url));
  }
  if (const auto colon = rest.rfind(':'); colon != std::string::npos && rest.find(']') == std::string::npos) {
    out.port = rest.substr(colon + 1);
    rest.resize(colon);
    if (out.port.empty() || out.port.size() > 5 ||
        out.port.find_first_not_of("0123456789") != std::string::npos)
      throw Error(ExitCode::usage, fmt::format("`{}` has no port that ssh could take", url));
  }
  out.host = rest;
  if (!is_word(out.host, "._-:[]"))
    throw Error(ExitCode::usage, fmt::format("`{}` names no host that ssh could take", url))
        .hint("write ssh://user@host, or ssh://user@host:port");
  if (!out.socket.starts_with('/') || out.socket.find(':') != std::string::npos)
    throw Error(ExitCode::usage, fmt::format("`{}` names no socket on that host", url));
  return out;
}

EngineEndpoint find_engine(const EngineChoice& choice) {
  if (!choice.host.empty() && !choice.context.empty())
    throw Error(ExitCode::usage, "`host` and `context` both say where the engine is")
        .hint("take one of them out");
  auto out = !choice.host.empty()      ? EngineEndpoint{choice.host, {}, true}
             : !choice.context.empty() ? from_context(choice.context)
                                       : from_environment();
  if (!choice.tls.empty()) out.tls = choice.tls;
  if (out.host.starts_with("ssh://")) parse_ssh(out.host);
  if (!out.host.starts_with("unix:///") && !out.host.starts_with("tcp://") && !out.host.starts_with("ssh://"))
    throw Error(ExitCode::usage, fmt::format("`{}` is no place of a Docker Engine", out.host))
        .hint("one is unix:///var/run/docker.sock, tcp://HOST:2376 or ssh://user@HOST");
  if (!out.tls.empty() && !out.host.starts_with("tcp://"))
    throw Error(ExitCode::usage, fmt::format("`tls` is of tcp hosts, not of `{}`", out.host));
  return out;
}

}  // namespace slipway::oci
