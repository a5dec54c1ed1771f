// How to reach a cluster: kubeconfig files as kubectl reads them (client-go clientcmd), or the service
// account of the pod that slipway runs in.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "sys/files.h"

namespace slipway::kubernetes {

// A program that prints credentials (client.authentication.k8s.io/v1 and v1beta1).
struct ExecPlugin {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string api_version, install_hint;
  bool cluster_info = false;  // it is told about the cluster
  nlohmann::json config;      // with it: the cluster's extension for such programs; null: none
  fs::path dir;               // of the kubeconfig: a path with '/' is relative to it
};

struct Impersonation {
  std::string user, uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;
};

struct Connection {
  std::string context;  // "" in a cluster
  std::string server;   // "https://host:port[/prefix]", without a slash at the end
  std::string name_space = "default";
  std::string ca_pem, tls_server_name, proxy;
  bool insecure = false;
  Secret token, password, key_pem;
  fs::path token_file;  // read again for every request: it is rotated
  std::string username, cert_pem;
  std::optional<ExecPlugin> exec;
  Impersonation as;

  std::string describe() const;  // "cluster https://… (context `x`)"
};

struct Wanted {
  std::string kubeconfig;  // a file; empty: $KUBECONFIG (a list), else ~/.kube/config, else in a cluster
  std::string context, name_space;
  fs::path dir;  // of relative paths in `kubeconfig`
};

// Throws Error(usage) naming file and place, with what there is instead.
Connection find_connection(const Wanted& wanted);

}  // namespace slipway::kubernetes
