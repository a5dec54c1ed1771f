// Logins as docker, podman and skopeo keep them.
#include <cstdlib>

#include "base/error.h"
#include "oci/registry_client.h"
#include "sys/base64.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::oci {

namespace {

Credentials from_pair(const std::string& pair) {
  const auto colon = pair.find(':');
  if (colon == std::string::npos || colon == 0) return {};
  return {pair.substr(0, colon), Secret(pair.substr(colon + 1))};
}

// The keys under which a registry's login may stand.
std::vector<std::string> keys_of(const std::string& registry) {
  std::vector<std::string> out = {registry, "https://" + registry, "https://" + registry + "/v2/",
                                  "https://" + registry + "/v1/", "http://" + registry};
  if (registry == "docker.io")
    for (const char* key : {"https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"})
      out.push_back(key);
  return out;
}

Credentials from_auths(const json& config, const std::string& registry) {
  const auto auths = config.find("auths");
  if (auths == config.end() || !auths->is_object()) return {};
  for (const auto& key : keys_of(registry)) {
    const auto entry = auths->find(key);
    if (entry == auths->end() || !entry->is_object()) continue;
    const auto text = [&](const char* name) {
      const auto it = entry->find(name);
      return it != entry->end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    if (const auto token = text("identitytoken"); !token.empty()) return {"<token>", Secret(token)};
    if (const auto pair = text("auth"); !pair.empty())
      if (const auto plain = base64_decode(pair)) return from_pair(*plain);
    if (const auto user = text("username"); !user.empty()) return {user, Secret(text("password"))};
  }
  return {};
}

// The protocol of docker-credential-helpers: the registry on stdin, JSON on stdout.
Credentials from_helper(const std::string& helper, const std::string& registry) {
  if (!is_safe_name(helper) || helper.find_first_of(" \t") != std::string::npos)
    throw Error(ExitCode::usage, fmt::format("`{}` is no name of a credential helper", helper))
        .hint("`credsStore` and `credHelpers` hold names such as `pass`, for `docker-credential-pass`");
  Command command;
  command.argv = {"docker-credential-" + helper, "get"};
  command.input = registry == "docker.io" ? "https://index.docker.io/v1/" : registry;
  std::string out, err;
  WaitOptions options;
  options.timeout = Millis(30'000);
  const auto finished = run_process(
      command, [&](Stream stream, std::string_view bytes) { (stream == Stream::out ? out : err) += bytes; },
      options);
  if (!finished.status.ok()) {
    // "credentials not found in native keychain" is an answer: nobody has logged in.
    if ((out + err).find("not found") != std::string::npos) return {};
    // What it printed is not repeated: a login may stand in it.
    throw Error(ExitCode::auth, fmt::format("`{}` failed with {}", command.argv[0], finished.status.str()))
        .hint(fmt::format("run `echo {} | {} get` to see why", command.input, command.argv[0]));
  }
  const auto answer = json::parse(out, nullptr, false);
  if (!answer.is_object()) throw Error(ExitCode::auth, fmt::format("`{}` answers no JSON", command.argv[0]));
  const auto text = [&](const char* name) {
    const auto it = answer.find(name);
    return it != answer.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  return {text("Username"), Secret(text("Secret"))};
}

Credentials from_config(const json& config, const std::string& registry) {
  if (const auto helpers = config.find("credHelpers"); helpers != config.end() && helpers->is_object())
    for (const auto& key : keys_of(registry))
      if (const auto it = helpers->find(key); it != helpers->end() && it->is_string())
        return from_helper(it->get<std::string>(), registry);
  if (const auto found = from_auths(config, registry); !found.empty()) return found;
  if (const auto store = config.find("credsStore"); store != config.end() && store->is_string())
    return from_helper(store->get<std::string>(), registry);
  return {};
}

std::vector<fs::path> config_files() {
  std::vector<fs::path> out;
  const auto add = [&](const char* variable, const char* below) {
    if (const char* value = std::getenv(variable); value && *value) out.push_back(fs::path(value) / below);
  };
  if (const char* file = std::getenv("REGISTRY_AUTH_FILE"); file && *file) out.emplace_back(file);
  add("DOCKER_CONFIG", "config.json");
  add("XDG_RUNTIME_DIR", "containers/auth.json");
  add("HOME", ".docker/config.json");
  add("HOME", ".config/containers/auth.json");
  return out;
}

json parse_config(const std::string& text, const std::string& name) {
  auto config = json::parse(text, nullptr, false);
  if (!config.is_object())
    throw Error(ExitCode::usage, fmt::format("{} is no JSON object", name))
        .hint("it has the form of docker's config.json");
  return config;
}

}  // namespace

Credentials find_credentials(const std::string& registry, const std::string& config_json) {
  if (!config_json.empty()) {
    const auto first = config_json.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && config_json[first] == '{')
      return from_config(parse_config(config_json, "the secret with the registry's login"), registry);
    auto pair = config_json;
    while (pair.ends_with('\n') || pair.ends_with('\r')) pair.pop_back();
    auto out = from_pair(pair);
    if (out.empty())
      throw Error(ExitCode::usage, "the secret with the registry's login cannot be read")
          .hint("it holds `user:password`, or JSON as in ~/.docker/config.json");
    return out;
  }
  // The whole file in a variable, as GitLab's runners give it.
  if (const char* whole = std::getenv("DOCKER_AUTH_CONFIG"); whole && *whole)
    if (auto found = from_config(parse_config(whole, "`$DOCKER_AUTH_CONFIG`"), registry); !found.empty())
      return found;
  for (const auto& file : config_files()) {
    const auto text = read_file_if_exists(file, 1 << 20);
    if (!text) continue;
    if (auto found = from_config(parse_config(*text, "`" + file.string() + "`"), registry); !found.empty())
      return found;
  }
  return {};
}

}  // namespace slipway::oci
