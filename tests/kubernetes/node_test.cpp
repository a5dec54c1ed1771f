// What only a node that runs its pods can show: images that are not there, programs that end, memory, probes;
// and how long slipway takes to tell.
#include <catch2/catch.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "support/busybox_root.h"
#include "support/kube_node.h"
#include "support/kube_shop.h"
#include "support/own_network.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// A program for another processor: the head of an ELF file for arm64.
std::string foreign_program() {
  std::string out =
      "\x7f"
      "ELF\x02\x01\x01";
  out.resize(64, '\0');
  out[16] = 2;
  out[18] = static_cast<char>(183);
  out[20] = 1;
  return out;
}

std::string service(const std::string& command, const std::string& more = "",
                    const std::string& path = "/index.html") {
  return fmt::format(
      "  web: {{image: web, port: 8080, command: [{}], healthcheck: {{http: {}, interval: 1s, timeout: 1s, "
      "retries: 4}}{}}}\n",
      command, path, more);
}

const std::string kServe = "httpd, -f, -p, \"8080\", -h, /www";

// A Deployment of one's own, whose container has these lines too.
std::string own(const std::string& more) {
  return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: own}\nspec:\n  selector: {matchLabels: "
         "{app: "
         "own}}\n  template:\n    metadata: {labels: {app: own}}\n    spec:\n      containers:\n        - "
         "name: web\n"
         "          image: web\n          command: [httpd, -f, -p, \"8080\"]\n" +
         more;
}

}  // namespace

TEST_CASE("what fails on a real node is told soon, with the reason first, and the old release serves on",
          "[kubernetes]") {
  if (!have_cluster() || !KubeNode::possible()) return;
  const OwnNetwork network;
  KubeShop shop(KubeCluster::Nodes::real);
  const auto root = shop.user.dir() / "shop/web/root";
  make_dirs(root);
  make_busybox_root(root);
  for (const char* applet : {"httpd", "tail"}) fs::create_symlink("busybox", root / "bin" / applet);
  make_dirs(root / "www");
  write_file_atomic(root / "www/index.html", "fine");
  write_file_atomic(root / "bin/arm", foreign_program(), 0755);
  shop.user.write("shop/web/Dockerfile", "FROM scratch\nENV PATH=/bin\nCOPY root /\nUSER 1000\n");
  shop.spec(service(kServe));
  shop.good({"run"});
  const auto serves = [&] {
    HttpRequest request;
    const auto now = shop.get("service/web");
    request.url =
        fmt::format("http://{}:8080/index.html", now.at("/spec/clusterIP"_json_pointer).get<std::string>());
    try {
      return HttpClient().send(request).body == "fine";
    } catch (const Error&) {
      return false;  // kube-proxy hears of a pod a moment after slipway
    }
  };
  REQUIRE(eventually(serves));

  const auto fails = [&](const std::string& name, const std::string& why, const std::string& evidence = "") {
    INFO(name);
    const auto begin = std::chrono::steady_clock::now();
    const auto ran = shop.slipway({"run"});
    const auto took = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin);
    INFO(ran.err);
    CHECK(ran.code == 4);
    CHECK(contains(ran.err, "did not become healthy: " + why));
    CHECK(contains(ran.err, evidence));
    CHECK(contains(ran.err, "all services are as before: release r1 serves"));
    CHECK(serves());
    WARN(name << ": exit " << ran.code << " after " << format_duration(took));
  };

  shop.spec(service("sh, -c, \"echo no money left; exit 3\""));
  fails("it crashes", "it ends again and again: exit 3", "no money left");
  shop.spec(service("/bin/arm, now"));
  fails("another processor", "the image is for another kind of processor: exec format error");
  shop.spec(service(kServe, "", "/none"));
  fails("its probe fails", "its healthcheck does not pass within 8", "statuscode: 404");
  shop.spec(service("tail, /dev/zero", ", resources: {limits: {memory: 32Mi}}"));
  fails("too little memory", "it ends again and again: killed: it used more memory than its limit");
  shop.target = ", deadline: 5s";
  shop.spec(service(kServe, ", resources: {requests: {cpu: \"1000\"}}"));
  fails("no node takes it",
        "it does not serve within 5.0s: waits for a node that takes it: 0/1 nodes are available");
  shop.target = "";

  // Beside `web`, which stays: manifests of one's own, which can name what is not there.
  const auto beside = [&](const std::string& text) {
    shop.user.write("shop/k8s/own.yaml", text);
    shop.spec(service(kServe) + "  own: {image: web, manifests: [k8s/own.yaml]}\n");
  };
  const auto fails_beside = [&](const std::string& name, const std::string& why) {
    fails(name, why);
    CHECK(shop.get("deployments/web").at("/status/availableReplicas"_json_pointer) == 1);
  };
  beside(own("        - {name: beside, image: \"" + shop.registry.host() + "/shop/none:1\"}\n"));
  fails_beside("no such image", "the image cannot be pulled");
  beside(own("          env: [{name: KEY, valueFrom: {secretKeyRef: {name: missing, key: key}}}]\n"));
  fails_beside("settings that are missing", "the container cannot start: secret \"missing\" not found");

  // What the cluster does not let in.
  shop.cluster.kubectl({"create", "quota", "few", "-n", "shop", "--hard=pods=1"});
  shop.spec(service(kServe, ", environment: {more: than, allowed: here}"));
  fails("a quota", "no pod can be made: ");
  shop.cluster.kubectl({"delete", "quota", "few", "-n", "shop"});
  shop.cluster.kubectl({"apply", "-n", "shop", "-f", "-"},
                       "apiVersion: v1\nkind: LimitRange\nmetadata: {name: small}\nspec: {limits: [{type: "
                       "Container, max: {memory: 100Mi}}]}\n");
  fails("not admitted", "no pod can be made: ");
}
