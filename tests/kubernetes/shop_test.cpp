// The main job on a cluster that runs it: the sample shop, under load, from nothing to health, through a
// change, broken changes, a way back, and what others and the spec take away.
#include <catch2/catch.hpp>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "support/kube_node.h"
#include "support/kube_shop.h"
#include "support/load.h"
#include "support/own_network.h"
#include "sys/http.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

const std::string kUsers = R"([{"id":1,"name":"John"},{"id":2,"name":"Jane"}])";

bool parts() {
  return have_cluster() && have("mmdebstrap") && (have("crun") || have("runc")) && KubeNode::possible();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  INFO("looking for: " << from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// The template of `slipway init`, for a cluster; its images are built where packages can be fetched, before
// the thread goes into a network of its own.
class SampleShop {
 public:
  SampleShop() : dir_(user_.dir() / "shop"), built_(build()) {
    cluster_.make_namespace("shop");
    cluster_.kubectl({"create", "-n", "shop", "-f", "-"},
                     read_file(fs::path(SLIPWAY_SOURCE_DIR) / "plugins/kubernetes/role.yaml"));
    cluster_.kubectl({"create", "rolebinding", "slipway", "-n", "shop", "--role=slipway", "--user=deployer"});
    // Nothing here makes volumes on demand.
    for (const char* name : {"one", "two"}) {
      const auto path = user_.dir() / "volumes" / name;
      make_dirs(path);
      cluster_.kubectl({"apply", "-f", "-"},
                       fmt::format("apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {}}}\nspec: "
                                   "{{capacity: {{storage: 1Gi}}, accessModes: [ReadWriteOnce], hostPath: "
                                   "{{path: \"{}\"}}}}\n",
                                   name, path.string()));
    }
    edit("slipway.yaml", "registry:\n", fmt::format("registry:\n  url: \"{}/shop\"\n", registry_.host()));
    edit("slipway.yaml", "local:\n    target: {kind: local}",
         fmt::format("test:\n    target: {{kind: kubernetes, kubeconfig: \"{}\", namespace: shop}}",
                     cluster_.kubeconfig("deployer").string()));
  }

  void edit(const fs::path& file, const std::string& from, const std::string& to) const {
    write_file_atomic(dir_ / file, replaced(read_file(dir_ / file), from, to));
  }
  std::string text(const fs::path& file) const { return read_file(dir_ / file); }
  void write(const fs::path& file, const std::string& text) const { write_file_atomic(dir_ / file, text); }

  Ran slipway(std::vector<std::string> args) const {
    return user_.slipway(std::move(args), "shop", Millis(900'000));
  }
  Ran good(std::vector<std::string> args) const {
    auto ran = slipway(std::move(args));
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == 0);
    return ran;
  }

  json get(const std::string& what) const {
    return json::parse(cluster_.kubectl({"get", what, "-n", "shop", "-o", "json"}));
  }
  std::string url(const std::string& path) const {
    return fmt::format("http://{}:8080{}",
                       get("service/gateway").at("/spec/clusterIP"_json_pointer).get<std::string>(), path);
  }
  std::string answer(const std::string& path) const {
    HttpRequest request;
    request.url = url(path);
    std::string out;
    // The node's rules follow a moment after the pods are ready.
    REQUIRE(eventually(
        [&] {
          try {
            out = HttpClient().send(request).body;
            return true;
          } catch (const Error&) {
            return false;
          }
        },
        Millis(30'000)));
    return out;
  }

  // The images of all pods that are there to stay are those of the release that `status` names.
  void check_one_release() const {
    const auto status = json::parse(good({"status", "-o", "json"}).out);
    std::map<std::string, std::string> wanted;
    for (const auto& service : status.at("services")) {
      INFO(service.dump());
      CHECK(service.at("ready") == service.at("wanted"));
      CHECK(service.at("release") == status.at("release"));
      wanted[service.at("name").get<std::string>()] = service.at("image").get<std::string>();
    }
    std::set<std::string> seen;
    const auto pods = get("pods");
    for (const auto& pod : pods.at("items")) {
      if (pod.contains("/metadata/deletionTimestamp"_json_pointer)) continue;
      const auto name = pod.at("/metadata/labels/app.kubernetes.io~1name"_json_pointer).get<std::string>();
      INFO(name);
      CHECK(contains(pod.at("/spec/containers/0/image"_json_pointer).get<std::string>(), wanted[name]));
      CHECK(contains(pod.at("/status/containerStatuses/0/imageID"_json_pointer).get<std::string>(),
                     wanted[name]));
      seen.insert(name);
    }
    CHECK(seen.size() == wanted.size());
  }

  const RegistryServer& registry() const { return registry_; }
  const KubeCluster& cluster() const { return cluster_; }

 private:
  bool build() {
    user_.share_cache();
    const auto made = user_.slipway({"init", "--template", "shop", "shop"});
    INFO(made.err);
    REQUIRE(made.code == 0);
    // Its tests are the story of tests/e2e/shop_test.cpp.
    const auto spec = text("slipway.yaml");
    const auto tests = spec.find("\ntests:\n"), services = spec.find("\nservices:\n");
    REQUIRE(tests < services);
    write("slipway.yaml", spec.substr(0, tests) + spec.substr(services));
    // Seven pods, a load and a control plane on one small machine: patience is no part of the story.
    edit("slipway.yaml", "{interval: 500ms, timeout: 2s, retries: 60, start_period: 500ms}",
         "{interval: 2s, timeout: 5s, retries: 60, start_period: 1s}");
    edit("users/app.py", "connect_timeout=3", "connect_timeout=20");
    good({"build"});
    return true;
  }

  User user_;
  fs::path dir_;
  bool built_;
  OwnNetwork network_;
  RegistryServer registry_{{}};
  KubeCluster cluster_{KubeCluster::Nodes::real};
};

// Requests that nobody may lose while `work` is done, and for some time after.
template <typename Work>
void under_load(const SampleShop& shop, Work work) {
  Load load(shop.url("/api/users"), 2, 500'000, Millis(50));
  REQUIRE(eventually([&] { return load.answered() > 20; }, Millis(60'000)));
  work();
  // Pods of the old version are ended after the rollout: they, too, must not take a request with them.
  const auto gone = eventually(
      [&] {
        const auto pods = shop.get("pods");
        for (const auto& pod : pods.at("items"))
          if (pod.contains("/metadata/deletionTimestamp"_json_pointer) &&
              pod.contains("/status/containerStatuses/0/state/running"_json_pointer))
            return false;
        return true;
      },
      Millis(90'000));
  CHECK(gone);
  const auto before = load.answered();
  REQUIRE(eventually([&] { return load.answered() > before + 20; }, Millis(60'000)));
  load.stop();
  INFO(load.answered() << " answered, " << load.failed() << " not; the first: " << load.first_failure());
  CHECK(load.failed() == 0);
}

}  // namespace

TEST_CASE("the sample shop serves on a real cluster without a pause, whatever is rolled out",
          "[kubernetes]") {
  if (!parts()) return;
  const SampleShop shop;
  shop.good({"run"});
  REQUIRE(json::parse(shop.answer("/api/users")).dump() == kUsers);
  CHECK(contains(shop.answer("/api/orders"), "lamp"));
  shop.check_one_release();
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));

  const auto first_image = shop.get("deployment/users")
                               .at("/spec/template/spec/containers/0/image"_json_pointer)
                               .get<std::string>();

  // Not the words of an earlier run of this suite: its cache would know what comes of them.
  const auto fine = fmt::format("return \"fine {}\\n\"", now_micros());
  under_load(shop, [&] {
    shop.edit("users/app.py", "return \"ok\\n\"", fine);
    const auto changed = shop.good({"run"});
    INFO(changed.err);
    CHECK(contains(changed.err, "users: 2 replicas serve"));
    shop.check_one_release();
  });
  const auto works = shop.text("users/app.py");

  // Broken in each way that only shows when it runs: the old release never stops serving.
  shop.edit("slipway.yaml", "{http: /healthz, <<: *probe}", "{http: /healthz, <<: *probe, retries: 4}");
  shop.good({"run"});
  struct Case {
    const char *from, *to, *why;
  };
  for (const auto& [from, to, why] :
       {Case{"def main():\n", "def main():\n    sys.exit(\"no money left\")\n", "no money left"},
        Case{"    return \"fine ", "    return \"the disk is on fire\\n\", 500\n    return \"",
             "statuscode: 500"}}) {
    INFO(why);
    under_load(shop, [&] {
      shop.write("users/app.py", replaced(works, from, to));
      const auto broken = shop.slipway({"run"});
      INFO(broken.err);
      CHECK(broken.code == 4);
      CHECK(contains(broken.err, why));
      shop.check_one_release();
    });
  }
  shop.write("users/app.py", works);
  shop.good({"run"});

  // Back to the first release, whose image is no longer there; then to one that is.
  const auto releases = json::parse(shop.good({"status", "-o", "json"}).out).at("releases");
  REQUIRE(releases.at(0).at("id") == "r1");
  under_load(shop, [&] {
    shop.cluster().forget_images("/shop/users@");
    fs::rename(shop.registry().repository("shop/users"), shop.registry().repository("shop/hidden"));
    const auto lost = shop.slipway({"rollback", "r1"});
    INFO(lost.err);
    CHECK(lost.code == 4);
    CHECK(contains(lost.err, "the image cannot be pulled"));
    shop.check_one_release();
    fs::rename(shop.registry().repository("shop/hidden"), shop.registry().repository("shop/users"));
    CHECK(contains(shop.good({"rollback", "r1"}).out, "r1 serves again"));
    shop.check_one_release();
  });

  // Somebody changes what runs: it is seen, not fought over, and put right when that is wanted.
  under_load(shop, [&] {
    shop.good({"run"});
    shop.cluster().kubectl({"set", "image", "deployment/users", "-n", "shop", "users=" + first_image});
    CHECK(contains(shop.good({"status"}).out, "its image was changed by somebody else"));
    const auto refused = shop.slipway({"run"});
    INFO(refused.err);
    CHECK(refused.code == 7);
    shop.edit("slipway.yaml", "namespace: shop}", "namespace: shop, take_over: [\"*\"]}");
    shop.good({"run"});
    shop.check_one_release();
  });

  // Orders leave the shop.
  under_load(shop, [&] {
    auto spec = shop.text("slipway.yaml");
    const auto backing = spec.find("  orders-db:\n"), end = spec.find("\nservices:\n");
    spec.erase(backing, end - backing);
    const auto service = spec.find("  orders:\n    image: orders\n"),
               next = spec.find("  gateway:\n    image");
    spec.erase(service, next - service);
    shop.write("slipway.yaml", replaced(spec, ", orders: healthy", ""));
    shop.edit("gateway/nginx.conf", "    location /api/orders { proxy_pass http://orders:9000; }\n", "");
    const auto pruned = shop.good({"run"});
    CHECK(contains(pruned.err, "deployment/orders: no longer part of the release, removed"));
    shop.check_one_release();
  });
  CHECK(json::parse(shop.answer("/api/users")).dump() == kUsers);
  shop.good({"down", "--volumes", "--yes"});
}
