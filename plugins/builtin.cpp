// THE list of built-in plugins; each has a folder of its own.
#include "plugins/builtin.h"

#include "plugins/debian/plugin.h"
#include "plugins/docker/plugin.h"
#include "plugins/dockerfile/plugin.h"
#include "plugins/gate/gate.h"
#include "plugins/git/git_plugin.h"
#include "plugins/kubernetes/plugin.h"
#include "plugins/local/local.h"
#include "plugins/registry/registry.h"
#include "plugins/shell/shell.h"
#include "plugins/swarm/plugin.h"
#include "plugins/test/test_plugin.h"

namespace slipway {

void add_builtin_plugins(Plugins& plugins) {
  plugins.add("gate", make_gate_plugin);
  plugins.add("git", make_git_plugin);
  plugins.add("kubernetes", make_kubernetes_plugin);
  plugins.add("local", make_local_plugin);
  plugins.add("registry", make_registry_plugin);
  plugins.add("debian", make_debian_plugin);
  plugins.add("docker", make_docker_plugin);
  plugins.add("dockerfile", make_dockerfile_plugin);
  plugins.add("shell", make_shell_plugin);
  plugins.add("swarm", make_swarm_plugin);
  plugins.add("test", make_test_plugin);
}

}  // namespace slipway
