// What slipway writes to a cluster beside workloads, and what users bring: autoscalers, policies, accounts,
// own manifests with kinds of their own.
#include <catch2/catch.hpp>

#include "support/kube_shop.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

TEST_CASE("services get their autoscaler, network policies and accounts", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  shop.target = ", network_policy: true";
  const auto spec = [&](const std::string& web) {
    shop.spec("  web: {image: web, port: 8080, " + web +
              "depends_on: {back: healthy}, ingress: {host: shop.example.com},\n"
              "        service_account: {annotations: {cloud.example.com/role: shop}}}\n"
              "  back: {image: web, port: 9000, service_account: robot}\n");
  };
  shop.cluster.kubectl({"create", "serviceaccount", "robot", "-n", "shop"});
  spec("autoscale: {min: 3, max: 5, cpu: 60%}, ");
  shop.good({"run"});
  CHECK(shop.get("deployment/web").at("/spec/replicas"_json_pointer) == 3);
  const auto scaler = shop.get("hpa/web").at("spec");
  CHECK(scaler.at("minReplicas") == 3);
  CHECK(scaler.at("maxReplicas") == 5);
  CHECK(scaler.at("/scaleTargetRef/name"_json_pointer) == "web");
  CHECK(shop.get("pdb/web").at("/spec/maxUnavailable"_json_pointer) == 1);
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));

  // The number is the autoscaler's: a change of the service leaves it.
  shop.cluster.kubectl({"scale", "deployment/web", "-n", "shop", "--replicas=4"});
  CHECK(eventually([&] { return contains(shop.good({"status"}).out, "4/4 healthy"); }));
  spec("autoscale: {min: 3, max: 5, cpu: 60%}, environment: {BEHAVE: well}, ");
  const auto changed = shop.good({"run"});
  INFO(changed.err << shop.get("deployment/web").dump() << shop.get("events").dump());
  CHECK(shop.get("deployment/web").at("/spec/replicas"_json_pointer) == 4);
  spec("replicas: 4, ");
  shop.good({"run"});
  CHECK(eventually([&] { return shop.count("hpa") == 0; }));
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));

  // `back` is for `web` alone; `web` is for everybody, on its port.
  const auto back = shop.get("networkpolicy/back").at("spec");
  CHECK(back.at("policyTypes") == json({"Ingress"}));
  CHECK(back.at("/podSelector/matchLabels/app.kubernetes.io~1name"_json_pointer) == "back");
  REQUIRE(back.at("ingress").size() == 1);
  const auto& peer = back.at("/ingress/0/from/0/podSelector"_json_pointer);
  CHECK(peer.at("/matchExpressions/0/key"_json_pointer) == "slipway.dev/service");
  CHECK(peer.at("/matchExpressions/0/values"_json_pointer) == json({"web"}));
  CHECK(shop.get("deployment/web").at("/spec/template/metadata/labels/slipway.dev~1service"_json_pointer) ==
        "web");
  const auto web = shop.get("networkpolicy/web").at("/spec/ingress"_json_pointer);
  REQUIRE(web.size() == 1);
  CHECK(web.at(0) == json{{"ports", {{{"port", 8080}, {"protocol", "TCP"}}}}});

  CHECK(shop.get("serviceaccount/web").at("/metadata/annotations/cloud.example.com~1role"_json_pointer) ==
        "shop");
  const auto pod = "/spec/template/spec"_json_pointer;
  CHECK(shop.get("deployment/web").at(pod).at("serviceAccountName") == "web");
  CHECK(shop.get("deployment/web").at(pod).at("automountServiceAccountToken") == false);
  CHECK(shop.get("deployment/back").at(pod).at("serviceAccountName") == "robot");
  shop.good({"down"});
  CHECK(shop.count("networkpolicies") == 0);
  CHECK(shop.count("serviceaccounts") == 2);  // `default` and the one that is not slipway's
}

namespace {

const char* const kWorkloads = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 2
  selector: {matchLabels: {app.kubernetes.io/name: front}}
  template:
    metadata: {labels: {app.kubernetes.io/name: front}}
    spec:
      containers:
        - {name: web, image: web, env: [{name: BEHAVE, value: well}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: worker, image: web, env: [{name: BEHAVE, value: WORKER}]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 1 1 *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: web}]}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: hush-hush-value}
---
)";

const char* const kKinds = R"(
apiVersion: example.com/v1
kind: Gizmo
metadata: {name: first}
spec: {size: 3}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gizmos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Gizmo, plural: gizmos}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
)";

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  return text.replace(at, from.size(), to);
}

// Rights on kinds of which the documented Role knows nothing, and on what belongs to the whole cluster.
void allow_more(const KubeShop& shop) {
  shop.cluster.kubectl({"create", "-f", "-"}, R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: more}
rules:
  - {apiGroups: [example.com], resources: [gizmos], verbs: [get, list, create, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: more, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: more}
subjects: [{kind: User, name: deployer}]
)");
}

}  // namespace

TEST_CASE("own manifests bring several workloads and kinds of their own, in the order that they need",
          "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  allow_more(shop);
  shop.spec("  web: {image: web, manifests: k8s/*.yaml}\n");
  const auto well = with(kWorkloads, "WORKER", "well");
  shop.user.write("shop/k8s/all.yaml", well + kKinds);

  // Without the right to what belongs to the whole cluster: told with the rule, nothing is touched.
  const auto refused = shop.slipway({"run"});
  INFO(refused.err);
  CHECK(refused.code == 3);
  CHECK(contains(refused.err, "cannot get resource \"customresourcedefinitions\""));
  CHECK(contains(refused.err,
                 "a ClusterRole with this rule would help: {apiGroups: [\"apiextensions.k8s.io\"], "
                 "resources: [\"customresourcedefinitions\"], verbs: [\"get\"]}"));
  CHECK(shop.count("deployments") == 0);
  CHECK(shop.count("secrets") == 1);  // the default account's token
  shop.cluster.kubectl({"create", "clusterrole", "kinds", "--verb=get",
                        "--resource=customresourcedefinitions.apiextensions.k8s.io"});
  shop.cluster.kubectl({"create", "clusterrolebinding", "kinds", "--clusterrole=kinds", "--user=deployer"});
  CHECK(eventually([&] { return contains(shop.slipway({"run"}).err, "verbs: [\"patch\"]"); }));
  CHECK(shop.count("deployments") == 0);
  shop.cluster.kubectl(
      {"patch", "clusterrole", "kinds", "--type=json", "-p",
       R"([{"op": "replace", "path": "/rules/0/verbs", "value": ["get", "create", "patch"]}])"});
  CHECK(eventually([&] { return shop.slipway({"run"}).code == 0; }));

  const auto image = "/spec/template/spec/containers/0/image"_json_pointer;
  for (const char* name : {"deployment/front", "deployment/worker"})
    CHECK(contains(shop.get(name).at(image).get<std::string>(), "/shop/web@sha256:"));
  CHECK(contains(shop.get("cronjob/nightly")
                     .at("/spec/jobTemplate/spec/template/spec/containers/0/image"_json_pointer)
                     .get<std::string>(),
                 "/shop/web@sha256:"));
  CHECK(shop.get("gizmo/first").at("/spec/size"_json_pointer) == 3);
  const auto again = shop.good({"run"});
  INFO(again.err);
  CHECK(contains(again.err, "nothing to do"));
  const auto status = json::parse(shop.good({"status", "-o", "json"}).out).at("services");
  REQUIRE(status.size() == 2);
  CHECK(status.at(0).at("name") == "web");
  CHECK(status.at(0).at("replicas").size() == 2);
  CHECK(status.at(1).at("name") == "web.worker");
  CHECK(status.at(1).at("replicas").size() == 1);
  for (const char* command : {"render", "diff"}) CHECK_FALSE(contains(shop.good({command}).out, "hush"));
  CHECK_FALSE(contains(shop.cluster.kubectl({"get", "configmaps", "-n", "shop", "-o", "yaml"}), "hush"));

  // Every workload is waited for: when one fails, both go back.
  shop.user.write("shop/k8s/all.yaml",
                  with(with(well, "value: well", "value: other"), "value: well", "value: crash") + kKinds);
  const auto failed = shop.slipway({"run"});
  INFO(failed.err);
  CHECK(failed.code == 4);
  CHECK(contains(failed.err, "web.worker: it ends again and again"));
  CHECK(shop.behaviour("front") == "well");
  CHECK(shop.behaviour("worker") == "well");

  // What left the manifests goes, but never what belongs to the whole cluster.
  shop.user.write("shop/k8s/all.yaml", well);
  const auto pruned = shop.good({"run"});
  INFO(pruned.err);
  CHECK(contains(pruned.err, "gizmo/first: no longer part of the release, removed"));
  CHECK(contains(pruned.err,
                 "customresourcedefinition/gizmos.example.com: no longer part of the release, left "
                 "where it is"));
  // The cluster's garbage collector hears of new kinds twice a minute.
  CHECK(eventually([&] { return shop.count("gizmos") == 0; }, Millis(120'000)));
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));

  // Its label lets it come back; one that somebody else made stays theirs.
  shop.user.write("shop/k8s/all.yaml", well + kKinds);
  shop.good({"run"});
  shop.user.write("shop/k8s/all.yaml", well);
  shop.good({"run"});
  shop.cluster.kubectl(
      {"label", "crd", "gizmos.example.com", "app.kubernetes.io/managed-by=somebody", "--overwrite"});
  shop.user.write("shop/k8s/all.yaml", well + kKinds);
  const auto foreign = shop.slipway({"run"});
  INFO(foreign.err);
  CHECK(foreign.code == 7);
  CHECK(contains(foreign.err,
                 "customresourcedefinition/gizmos.example.com is there already and not of `shop test`: "
                 "somebody made it"));
  CHECK(contains(foreign.err, "leave it out of the manifests"));
}

TEST_CASE("a namespace is made when the target says so, and its absence is told otherwise", "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  const auto spec = [&](const std::string& more) {
    shop.spec("  web: {image: web, port: 8080}\n");
    auto text = read_file(shop.user.dir() / "shop/slipway.yaml");
    text = with(text, "namespace: shop", "namespace: fresh" + more);
    shop.user.write("shop/slipway.yaml", with(text, "deployer.kubeconfig", "admin.kubeconfig"));
  };
  shop.cluster.kubeconfig("admin");
  spec("");
  const auto missing = shop.slipway({"run"});
  INFO(missing.err);
  CHECK(missing.code == 2);
  CHECK(contains(missing.err, "there is no namespace `fresh`"));
  CHECK(contains(missing.err, "create_namespace: true"));
  spec(", create_namespace: true");
  shop.good({"run"});
  CHECK(contains(shop.cluster.kubectl({"get", "deployments", "-n", "fresh"}), "web"));
  CHECK(contains(shop.good({"run"}).err, "nothing to do"));
  shop.good({"down"});
  CHECK(contains(shop.cluster.kubectl({"get", "namespace", "fresh"}), "Active"));
}

TEST_CASE("what a cluster does not change in place is told before anything is touched, with the way out",
          "[kubernetes]") {
  if (!have_cluster()) return;
  KubeShop shop;
  const std::string rest =
      "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: "
      "Never, "
      "containers: [{name: c, image: web, args: [FIRST]}]}}}\n"
      "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: data}\nspec:\n  serviceName: CLAIM\n  "
      "selector: "
      "{matchLabels: {app: data}}\n  template:\n    metadata: {labels: {app: data}}\n    spec: {containers: "
      "[{name: "
      "c, image: web}]}\n"
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: front}\nspec: {selector: {app: front}, ports: "
      "[{name: a, "
      "port: 80}PORT]}\n";
  const std::string front =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec:\n  selector: {matchLabels: "
      "{app: "
      "SELECTOR}}\n  template:\n    metadata: {labels: {app: SELECTOR}}\n    spec: {containers: [{name: web, "
      "image: "
      "web, env: [{name: BEHAVE, value: well}]}]}\n";
  shop.spec("  web: {image: web, manifests: k8s/*.yaml}\n");
  const auto write = [&](const std::string& selector, const std::string& job, const std::string& claim,
                         const std::string& port) {
    auto text = with(with(front, "SELECTOR", selector), "SELECTOR", selector);
    text += with(with(with(rest, "FIRST", job), "CLAIM", claim), "PORT", port);
    shop.user.write("shop/k8s/all.yaml", text);
  };
  write("front", "a", "one", "");
  shop.good({"run"});
  const auto version = shop.get("deployment/front").at("/metadata/resourceVersion"_json_pointer);
  const auto refused = [&](const std::string& words, const std::string& hint) {
    INFO(words);
    const auto ran = shop.slipway({"run"});
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(contains(ran.err, words));
    CHECK(contains(ran.err, hint));
    const auto shown = shop.good({"diff"}).out;
    INFO(shown);
    CHECK(contains(shown, words));
    CHECK(contains(shown, "1 refused"));
    CHECK(json::parse(shop.good({"releases", "-o", "json"}).out).at("releases").size() == 1);
  };
  write("other", "a", "one", "");
  refused("deployment/front is there, and a cluster does not change its spec.selector in place",
          "`kubectl delete deployment/front -n shop`");
  write("front", "b", "one", "");
  refused("job/once is there, and a cluster does not change its spec.template in place",
          "give it another name, or make it `before: {run: …}`");
  write("front", "a", "two", "");
  refused("statefulset/data is there, and a cluster does not change its spec in place", "--cascade=orphan");
  write("front", "a", "one", ", {name: b, port: 80}");
  refused("duplicate entries for key [port=80", "");
  CHECK(shop.get("deployment/front").at("/metadata/resourceVersion"_json_pointer) == version);

  // Text where a list belongs is told too.
  shop.user.write("shop/k8s/all.yaml",
                  with(front, "[{name: web, image: web, env: [{name: BEHAVE, value: well}]}]", "[web]"));
  const auto shape = shop.slipway({"run"});
  INFO(shape.err);
  CHECK(shape.code == 2);
  CHECK(contains(shape.err, "deployment/front is not built as a Deployment is"));
}
