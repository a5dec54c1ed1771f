// Two states of an object, told field by field.
#include "plugins/kubernetes/diff.h"

#include <catch2/catch.hpp>

using namespace slipway::kubernetes;

namespace {

using Lines = std::vector<std::string>;

Lines told(const char* before, const char* after) {
  Lines out;
  for (const auto& one : changes_between(json::parse(before), json::parse(after)))
    out.push_back(one.path + ": " + one.before.dump() + " > " + one.after.dump());
  return out;
}

}  // namespace

TEST_CASE("fields are told by their path, members of lists by their name or port", "[kubernetes]") {
  const Lines containers = {
      "spec.containers[web].args: [\"x\",\"y\"] > [\"x\"]", "spec.containers[web].image: \"a\" > \"b\"",
      "spec.containers[helper].image: null > \"h\"", "spec.containers[helper].name: null > \"helper\""};
  CHECK(told(R"({"spec": {"containers": [{"name": "web", "image": "a", "args": ["x", "y"]}]}})",
             R"({"spec": {"containers": [{"name": "helper", "image": "h"},
                                         {"name": "web", "image": "b", "args": ["x"]}]}})") == containers);
  CHECK(told(R"({"spec": {"ports": [{"port": 80, "targetPort": 1}]}})",
             R"({"spec": {"ports": [{"port": 80, "targetPort": 2}]}})") ==
        Lines{"spec.ports[80].targetPort: 1 > 2"});
  CHECK(told(R"({"metadata": {"annotations": {"example.com/a": "1"}}})", R"({"metadata": {}})") ==
        Lines{"metadata.annotations[example.com/a]: \"1\" > null"});
  // Two of one name are told by their place.
  CHECK(told(R"({"a": [{"name": "x", "v": 1}, {"name": "x", "v": 2}]})",
             R"({"a": [{"name": "x", "v": 1}, {"name": "x", "v": 3}]})") == Lines{"a[1].v: 2 > 3"});
  CHECK(told(R"({"a": {}})", R"({"a": {"b": {}}})") == Lines{"a.b: null > {}"});
}

TEST_CASE("what the cluster itself keeps in an object is no difference, and secrets are not told",
          "[kubernetes]") {
  CHECK(told(R"({"metadata": {"resourceVersion": "1", "generation": 1, "uid": "u"}, "status": {"x": 1}})",
             R"({"metadata": {"resourceVersion": "2", "generation": 2, "uid": "v"}})")
            .empty());
  const Lines secret = {"data.a: \"(secret)\" > \"(changed)\"", "data.b: null > \"(secret)\"",
                        "data.gone: \"(secret)\" > null"};
  CHECK(told(R"({"kind": "Secret", "data": {"a": "b25l", "gone": "eA=="}})",
             R"({"kind": "Secret", "data": {"a": "dHdv", "b": "eA=="}})") == secret);
}
