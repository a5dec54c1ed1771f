#include "plugins/kubernetes/kubeconfig.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "base/suggest.h"
#include "sys/base64.h"
#include "sys/http.h"
#include "sys/yaml_reader.h"

namespace slipway::kubernetes {

namespace {

using nlohmann::json;

constexpr const char* kAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::uint64_t kMaxFile = 16u << 20;

// An entry of `clusters`, `users` or `contexts`, and the file that it stands in.
struct Entry {
  json value;
  fs::path file;
};
using Entries = std::map<std::string, Entry>;

struct Merged {
  Entries clusters, users, contexts;
  std::string current;
  std::vector<std::string> files;
};

std::string text(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_string() ? it->get<std::string>() : "";
}

bool flag(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_boolean() && it->get<bool>();
}

// The first file that names something wins, as with kubectl.
void add(Entries& into, const json& config, const char* list, const char* inner, const fs::path& file) {
  const auto it = config.find(list);
  if (it == config.end() || it->is_null()) return;
  if (!it->is_array())
    throw Error(ExitCode::usage, fmt::format("`{}` of `{}` is no list", list, file.string()));
  for (const auto& one : *it) {
    const auto name = one.is_object() ? text(one, "name") : "";
    if (name.empty())
      throw Error(ExitCode::usage,
                  fmt::format("`{}` of `{}` has an entry without a name", list, file.string()));
    into.emplace(name, Entry{one.value(inner, json::object()), file});
  }
}

void add_file(Merged& into, const fs::path& file, bool must_exist) {
  std::optional<std::string> content;
  if (fs::is_directory(file)) throw Error(ExitCode::usage, fmt::format("`{}` is a folder", file.string()));
  content = read_file_if_exists(file, kMaxFile);
  if (!content && must_exist)
    throw Error(ExitCode::usage, fmt::format("there is no kubeconfig `{}`", file.string()))
        .hint("`kubeconfig` of the target is relative to slipway.yaml");
  if (!content) return;
  into.files.push_back(file.string());
  Diagnostics diagnostics;
  const auto documents = read_yaml_stream(*content, file.string(), diagnostics);
  diagnostics.throw_if_errors();
  if (documents.empty()) return;
  const auto config = to_json(*documents[0]);
  if (!config.is_object()) throw Error(ExitCode::usage, fmt::format("`{}` is no kubeconfig", file.string()));
  add(into.clusters, config, "clusters", "cluster", file);
  add(into.users, config, "users", "user", file);
  add(into.contexts, config, "contexts", "context", file);
  if (into.current.empty()) into.current = text(config, "current-context");
}

Merged read_files(const Wanted& wanted) {
  Merged out;
  if (!wanted.kubeconfig.empty()) {
    add_file(out, wanted.dir / wanted.kubeconfig, true);
    return out;
  }
  if (const char* list = std::getenv("KUBECONFIG"); list && *list) {
    const std::string paths(list);
    for (std::size_t from = 0; from <= paths.size();) {
      const auto end = std::min(paths.find(':', from), paths.size());
      if (end > from) add_file(out, paths.substr(from, end - from), false);
      from = end + 1;
    }
    return out;
  }
  if (const char* home = std::getenv("HOME"); home && *home)
    add_file(out, fs::path(home) / ".kube/config", false);
  return out;
}

const Entry& find(const Entries& entries, const std::string& name, const char* what) {
  const auto it = entries.find(name);
  if (it != entries.end()) return it->second;
  std::vector<std::string> names;
  for (const auto& [one, _] : entries) names.push_back(one);
  throw Error(ExitCode::usage, fmt::format("the kubeconfig has no {} `{}`", what, name))
      .hint(suggestion_hint(name, names));
}

// `KEY-data` as it is, or the file that `KEY` names, relative to the kubeconfig.
std::string pem(const Entry& entry, const std::string& key) {
  if (const auto data = text(entry.value, (key + "-data").c_str()); !data.empty()) {
    if (auto decoded = base64_decode(data)) return *decoded;
    throw Error(ExitCode::usage, fmt::format("`{}-data` in `{}` is no base64", key, entry.file.string()));
  }
  const auto file = text(entry.value, key.c_str());
  if (file.empty()) return "";
  const auto path = entry.file.parent_path() / file;
  if (auto content = read_file_if_exists(path, kMaxFile)) return *content;
  throw Error(ExitCode::usage, fmt::format("there is no file `{}` of the kubeconfig `{}`", path.string(),
                                           entry.file.string()));
}

// A file that others may write to would let them run programs as this user.
void check_trusted(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) throw_errno(fmt::format("look at `{}`", file.string()), errno);
  const bool ours = info.st_uid == ::geteuid() || info.st_uid == 0;
  if (ours && (info.st_mode & 022) == 0) return;
  throw Error(ExitCode::denied, fmt::format("`{}` names a program to run, and {}", file.string(),
                                            ours ? "others may write to it" : "it belongs to another user"))
      .hint(ours ? fmt::format("chmod go-w {}", file.string()) : "copy it, look into it, and use the copy");
}

ExecPlugin exec_of(const json& value, const fs::path& file) {
  check_trusted(file);
  ExecPlugin out;
  out.dir = file.parent_path();
  out.api_version = text(value, "apiVersion");
  if (out.api_version != "client.authentication.k8s.io/v1" &&
      out.api_version != "client.authentication.k8s.io/v1beta1")
    throw Error(ExitCode::usage, fmt::format("`{}` of a credential program in `{}` is not known",
                                             out.api_version, file.string()))
        .hint("v1 and v1beta1 of client.authentication.k8s.io are");
  if (text(value, "interactiveMode") == "Always")
    throw Error(ExitCode::auth, fmt::format("the credential program `{}` of `{}` asks a person at a terminal",
                                            text(value, "command"), file.string()))
        .hint("write `interactiveMode: IfAvailable` when it can do without, or use a user with a token");
  auto command = text(value, "command");
  if (command.empty())
    throw Error(ExitCode::usage, fmt::format("a credential program of `{}` has no command", file.string()));
  if (command.find('/') != std::string::npos) command = (out.dir / command).lexically_normal().string();
  out.argv.push_back(command);
  if (value.contains("args") && value["args"].is_array())
    for (const auto& arg : value["args"])
      out.argv.push_back(arg.is_string() ? arg.get<std::string>() : arg.dump());
  if (value.contains("env") && value["env"].is_array())
    for (const auto& one : value["env"]) out.env[text(one, "name")] = text(one, "value");
  out.install_hint = text(value, "installHint");
  out.cluster_info = flag(value, "provideClusterInfo");
  return out;
}

void read_user(Connection& into, const Entry& user) {
  const auto& value = user.value;
  into.token = Secret(text(value, "token"));
  if (const auto file = text(value, "tokenFile"); !file.empty())
    into.token_file = user.file.parent_path() / file;
  into.username = text(value, "username");
  into.password = Secret(text(value, "password"));
  into.cert_pem = pem(user, "client-certificate");
  into.key_pem = Secret(pem(user, "client-key"));
  if (value.contains("exec") && value["exec"].is_object()) into.exec = exec_of(value["exec"], user.file);
  if (value.contains("auth-provider"))
    throw Error(ExitCode::usage,
                fmt::format("`{}` uses an auth-provider, which clusters gave up in 2022", user.file.string()))
        .hint("the cloud's tool writes an exec plugin in its place");
  into.as.user = text(value, "as");
  into.as.uid = text(value, "as-uid");
  try {
    if (value.contains("as-groups")) into.as.groups = value["as-groups"].get<std::vector<std::string>>();
    if (value.contains("as-user-extra"))
      into.as.extra = value["as-user-extra"].get<std::map<std::string, std::vector<std::string>>>();
  } catch (const json::exception&) {
    throw Error(ExitCode::usage, fmt::format("`as-groups` or `as-user-extra` in `{}` is no list of texts",
                                             user.file.string()));
  }
  if (into.as.user.empty() && (!into.as.uid.empty() || !into.as.groups.empty() || !into.as.extra.empty()))
    throw Error(ExitCode::usage,
                fmt::format("`{}` says as-uid, as-groups or as-user-extra without `as`", user.file.string()))
        .hint("an impersonated user has a name: `as: NAME`");
}

void read_cluster(Connection& into, const Entry& cluster) {
  into.server = text(cluster.value, "server");
  while (into.server.ends_with('/')) into.server.pop_back();
  if (!Url::parse(into.server))
    throw Error(ExitCode::usage,
                fmt::format("`{}` in `{}` is no server's URL", into.server, cluster.file.string()));
  into.ca_pem = pem(cluster, "certificate-authority");
  into.insecure = flag(cluster.value, "insecure-skip-tls-verify");
  into.tls_server_name = text(cluster.value, "tls-server-name");
  into.proxy = text(cluster.value, "proxy-url");
  if (into.insecure && !into.ca_pem.empty())
    throw Error(ExitCode::usage, fmt::format("`{}` names a CA and says insecure-skip-tls-verify: one of both",
                                             cluster.file.string()));
}

// What the cluster's entry holds for credential programs (client-go tools/clientcmd, the reserved extension).
json extension_of(const json& cluster) {
  const auto it = cluster.find("extensions");
  if (it == cluster.end() || !it->is_array()) return nullptr;
  for (const auto& one : *it)
    if (one.is_object() && text(one, "name") == "client.authentication.k8s.io/exec")
      return one.value("extension", json());
  return nullptr;
}

std::optional<Connection> in_cluster() {
  const char *host = std::getenv("KUBERNETES_SERVICE_HOST"), *port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (!host || !*host || !port || !*port) return std::nullopt;
  const char* given = std::getenv("SLIPWAY_SERVICE_ACCOUNT_DIR");
  const fs::path account = given && *given ? given : kAccount;
  if (!fs::exists(account / "token")) return std::nullopt;
  Connection out;
  const bool v6 = std::string_view(host).find(':') != std::string_view::npos;
  out.server = fmt::format("https://{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
  out.token_file = account / "token";
  out.ca_pem = read_file(account / "ca.crt", kMaxFile);
  if (const auto name = read_file_if_exists(account / "namespace", 4096)) {
    out.name_space = *name;
    while (out.name_space.ends_with('\n')) out.name_space.pop_back();
  }
  return out;
}

}  // namespace

std::string Connection::describe() const {
  return context.empty() ? fmt::format("cluster {}", server)
                         : fmt::format("cluster {} (context `{}`)", server, context);
}

Connection find_connection(const Wanted& wanted) {
  const auto merged = read_files(wanted);
  Connection out;
  if (merged.contexts.empty() && wanted.context.empty() && wanted.kubeconfig.empty()) {
    auto inside = in_cluster();
    if (!inside)
      throw Error(ExitCode::usage,
                  merged.files.empty() ? "there is no kubeconfig" : "the kubeconfig names no cluster")
          .hint(
              "slipway looks at `target.kubeconfig`, $KUBECONFIG, ~/.kube/config, and for a pod's service "
              "account");
    out = *std::move(inside);
  } else {
    out.context = wanted.context.empty() ? merged.current : wanted.context;
    if (out.context.empty())
      throw Error(ExitCode::usage, "the kubeconfig has no current context")
          .hint("name one under `target`: `context: NAME`");
    const auto& context = find(merged.contexts, out.context, "context").value;
    const auto cluster = text(context, "cluster"), user = text(context, "user");
    const auto& entry = find(merged.clusters, cluster, "cluster");
    read_cluster(out, entry);
    if (!user.empty()) read_user(out, find(merged.users, user, "user"));
    if (out.exec) out.exec->config = extension_of(entry.value);
    if (const auto name = text(context, "namespace"); !name.empty()) out.name_space = name;
  }
  if (!wanted.name_space.empty()) out.name_space = wanted.name_space;
  return out;
}

}  // namespace slipway::kubernetes
