// kill -9 at random moments of rollouts to a cluster, the same command again: it ends as one that nobody
// disturbed.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <random>
#include <set>

#include "plugins/kubernetes/records.h"
#include "support/kube_shop.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* given = std::getenv(variable);
  return given && *given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : otherwise;
}

struct Version {
  std::string name, behaviour;
  bool good = true;
};

// What is looked at from outside, as kubectl sees it.
struct Seen {
  std::map<std::string, json> objects;  // "Deployment/web" → what was asked of the cluster
  std::set<std::string> config;         // Secrets, and ConfigMaps that are no records
  std::set<std::string> images;         // "web IMAGE" of each pod that is not on its way out
  std::set<std::string> jobs, releases;
  std::string lock_holder;
};

class Story {
 public:
  Story() {
    kubernetes::Wanted wanted;
    wanted.kubeconfig = shop_.cluster.kubeconfig().string();
    api_.emplace(kubernetes::find_connection(wanted), std::stop_token{});
  }

  // Also another image and another secret, so that each kind of object changes.
  void write(const Version& version) const {
    shop_.user.write("shop/web/page", version.name);
    shop_.user.write("shop/secret", "secret of " + version.name);
    shop_.spec(fmt::format(
        "  web: {{image: web, port: 8080, replicas: 2, environment: {{BEHAVE: \"{}\", PASSWORD: {{secret: "
        "key}}}}, before: {{run: [/migrate]}},\n        depends_on: {{back: healthy}}}}\n"
        "  back: {{image: web, port: 9000, environment: {{BEHAVE: \"{}\"}}}}\n",
        version.behaviour, version.name));
  }

  Ran run() const { return shop_.slipway({"run"}); }
  Ran status() const { return shop_.slipway({"status", "-o", "json"}); }

  // False when it ended before its moment came.
  bool run_and_kill(Millis moment) const {
    Child child(shop_.user.command({"run", "--progress", "quiet"}, "shop"));
    if (child.wait_for(moment)) return false;
    child.kill_group(SIGKILL);
    REQUIRE(child.wait_for(Millis(20'000)));
    return true;
  }

  Seen look() const {
    Seen out;
    const auto all = json::parse(shop_.cluster.kubectl(
        {"get", "deployments,services,pdb,secrets,configmaps,jobs,leases,pods", "-n", "shop", "-o", "json"}));
    for (const auto& item : all.at("items")) {
      const auto kind = item.at("kind").get<std::string>(),
                 name = item.at("/metadata/name"_json_pointer).get<std::string>();
      const auto labels = item.value("/metadata/labels"_json_pointer, json::object());
      if (kind == "Pod") {
        if (!item.contains("/metadata/deletionTimestamp"_json_pointer) && !labels.contains("job-name"))
          out.images.insert(fmt::format("{} {}", labels.value("app.kubernetes.io/name", ""),
                                        item.at("/spec/containers/0/image"_json_pointer).get<std::string>()));
      } else if (labels.value("app.kubernetes.io/managed-by", "") != "slipway") {
        continue;  // the cluster's own
      } else if (kind == "Lease") {
        out.lock_holder += item.value("/spec/holderIdentity"_json_pointer, "");
      } else if (kind == "Job") {
        out.jobs.insert(name);
      } else if (labels.value("slipway.dev/record", "") == "release") {
        out.releases.insert(name);
      } else if (labels.contains("slipway.dev/record")) {
        continue;
      } else if (kind == "Secret" || kind == "ConfigMap") {
        out.config.insert(name);
      } else {
        auto spec = item.at("spec");
        for (const char* given : {"clusterIP", "clusterIPs"}) spec.erase(given);
        out.objects[kind + "/" + name] = std::move(spec);
      }
    }
    return out;
  }

  kubernetes::State state() { return records().load(); }
  std::vector<kubernetes::Release> releases() { return records().releases(); }

 private:
  kubernetes::Records records() { return {*api_, place_}; }

  KubeShop shop_;
  const kubernetes::Place place_{"shop", "test", "shop"};
  std::optional<kubernetes::Api> api_;
};

}  // namespace

TEST_CASE("a rollout that is killed at any moment and run again ends as one that nobody disturbed",
          "[kubernetes]") {
  if (!have_cluster()) return;
  const auto seed = number_from("SLIPWAY_TEST_SEED", std::random_device()());
  const auto kills = number_from("SLIPWAY_TEST_KILLS", 100);
  WARN(kills << " kills; SLIPWAY_TEST_SEED=" << seed << " repeats them");
  std::mt19937 random(seed);

  Story story;
  const Version first{"first", "a"}, second{"second", "b"}, broken{"broken", "crash", false};
  std::map<std::string, Seen> undisturbed;
  std::map<std::string, Millis> takes;  // to this version, with all images at hand
  for (const auto* version : {&first, &second, &broken, &first, &second, &broken}) {
    story.write(*version);
    const auto begin = std::chrono::steady_clock::now();
    const auto ran = story.run();
    INFO(ran.err);
    REQUIRE(ran.code == (version->good ? 0 : 4));
    takes[version->name] = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin);
    if (version->good) undisturbed[version->name] = story.look();
  }

  std::string serves = second.name;
  unsigned early = 0;
  for (unsigned i = 0; i < kills; ++i) {
    const auto& version = i % 3 == 2 ? broken : (serves == first.name ? second : first);
    const Millis moment(std::uniform_int_distribution<Millis::rep>(0, takes[version.name].count())(random));
    INFO("kill " << i << ": to " << version.name << ", after " << moment.count() << " ms");
    story.write(version);
    early += story.run_and_kill(moment);
    const auto ran = story.run();
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == (version.good ? 0 : 4));
    if (version.good) serves = version.name;

    const auto& like = undisturbed.at(serves);
    auto now = story.look();
    REQUIRE(now.objects == like.objects);
    REQUIRE(now.images == like.images);
    REQUIRE(now.lock_holder.empty());
    // A Job goes when its pods are gone.
    REQUIRE((now.jobs.empty() || eventually([&] { return story.look().jobs.empty(); })));

    // What slipway remembers is what there is, and nothing is unfinished.
    const auto state = story.state();
    CHECK(state.rollout.empty());
    std::set<std::string> remembered;
    for (const auto& [key, _] : state.objects)
      if (key.kind == "Secret" || key.kind == "ConfigMap") remembered.insert(key.name);
    CHECK(now.config == remembered);
    CHECK(state.objects.size() == remembered.size() + now.objects.size());
    const auto releases = story.releases();
    if (version.good) CHECK(releases.size() <= 10);  // a failed one stays until the next good one
    for (const auto& release : releases) {
      INFO(release.id << " is " << release.state);
      CHECK((release.state == "good" || release.state == "failed"));
    }
    const auto status = story.status();
    INFO(status.out);
    REQUIRE(status.code == 0);
    const auto told = json::parse(status.out);
    CHECK_FALSE(told.contains("rollout"));
    for (const auto& service : told.at("services")) {
      CHECK(service.at("ready") == service.at("wanted"));
      CHECK_FALSE(service.contains("drift"));
    }
  }
  CHECK(early >= kills / 2);
}
