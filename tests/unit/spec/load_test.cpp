// What a user may write, and what they are told when it is wrong.
#include <catch2/catch.hpp>

#include "base/error.h"
#include "spec/load.h"
#include "spec/schema.h"
#include "sys/files.h"

using namespace slipway;

namespace {

const std::string kHead = "version: 1\nname: shop\n";

// The whole text a user sees, or "" when all is well.
std::string mistakes(const std::string& text, const LoadOptions& options = {}) {
  Diagnostics diagnostics;
  parse_spec(text, "slipway.yaml", options, diagnostics);
  return diagnostics.render();
}

Spec good(const std::string& text, const LoadOptions& options = {}) {
  Diagnostics diagnostics;
  auto spec = parse_spec(text, "slipway.yaml", options, diagnostics);
  INFO(diagnostics.render());
  REQUIRE_FALSE(diagnostics.has_errors());
  return spec;
}

}  // namespace

TEST_CASE("the sample shop is a valid spec", "[spec]") {
  const auto spec = load_spec(fs::path(SLIPWAY_SOURCE_DIR) / "templates/shop/slipway.yaml");
  CHECK(spec.name.text == "shop");
  CHECK(spec.environment == "local");
  CHECK(spec.images.size() == 9);
  CHECK(spec.services.find("users")->replicas == 2);
  CHECK(spec.backing.find("orders-db")->healthcheck->test == std::vector<std::string>{"redis-cli", "ping"});
  CHECK(spec.services.find("users")->healthcheck->interval == Millis(500));
  CHECK(spec.backing.find("users-db")->environment.at("POSTGRES_PASSWORD").secret == "users-db-password");
}

TEST_CASE("all mistakes are shown at once, each with its place and a way out", "[spec]") {
  CHECK(mistakes(R"(version: 1
name: shop
imagse:
  users: {}
services:
  users:
    image: usres
    replicas: many
    healthcheck: {http: /healthz, interval: 5}
    port: 8080
images:
  users: {platforms: [linux/arm64]}
)") == R"(slipway.yaml:3:1: unknown key `imagse` in spec
     3 | imagse:
       | ^~~~~~
  hint: did you mean `images`?
slipway.yaml:7:12: there is no image `usres`
     7 |     image: usres
       |            ^~~~~
  hint: did you mean `users`?
slipway.yaml:8:15: this must be a whole number from 0 to 1000, not `many`
     8 |     replicas: many
       |               ^~~~
slipway.yaml:9:45: this must be a duration, not `5`
     9 |     healthcheck: {http: /healthz, interval: 5}
       |                                             ^
  hint: write a number with its unit: `500ms`, `30s`, `5m`, `1h30m`
slipway.yaml:12:11: `platforms` is not built yet: images for several platforms
    12 |   users: {platforms: [linux/arm64]}
       |           ^~~~~~~~~
  hint: take it out: slipway does not ignore what it cannot do
)");
}

TEST_CASE("YAML that yaml-cpp would let through is refused", "[spec]") {
  CHECK(mistakes("version: 1\nname: a\nname: b\n") ==
        "slipway.yaml:3:1: the key `name` stands here twice\n     3 | name: b\n       | ^~~~\n"
        "  hint: the first one is at slipway.yaml:2:1\n");
  CHECK(mistakes("x-a: &a [*a]\n").find("this alias stands inside of what it stands for") !=
        std::string::npos);
  CHECK(mistakes("version: 1\n---\nversion: 1\n").find("a second document begins here") != std::string::npos);
  CHECK(mistakes("").find("the file is empty") != std::string::npos);
  CHECK(mistakes("- a\n").find("a spec is a mapping, not a list") != std::string::npos);
  CHECK(mistakes("just words").find("a spec is a mapping, not `just words`") != std::string::npos);
  CHECK(mistakes("a: [1, 2\n").find("slipway.yaml:") == 0);
  CHECK(mistakes(std::string("a: \0b", 5)).find("a NUL byte: this is no text file") != std::string::npos);
  CHECK(mistakes("version: 1\nname: !!binary abc\n")
            .find("the tag `tag:yaml.org,2002:binary` has no meaning here") != std::string::npos);
  std::string deep = "x: ";
  for (int i = 0; i < 200; ++i) deep += "[";
  CHECK(mistakes(deep).find("nested deeper than 100 levels") != std::string::npos);
}

TEST_CASE("aliases that expand without end are refused quickly", "[spec]") {
  std::string bomb = "x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += fmt::format("x-{0}: &a{0} [", i);
    for (int k = 0; k < 9; ++k) bomb += fmt::format("{}*a{}", k ? ", " : "", i - 1);
    bomb += "]\n";
  }
  CHECK(mistakes(bomb).find("the aliases expand to more than 1000000 values") != std::string::npos);
}

TEST_CASE("columns count characters, not bytes", "[spec]") {
  CHECK(mistakes(kHead + "x-ü: {ä: 1}\nvars: {größe: [1]}\n").find("slipway.yaml:4:15:") == 0);
}

TEST_CASE("yes and no are texts", "[spec]") {
  CHECK(
      mistakes(kHead + "registry: {insecure: yes}\n").find("yes, no, on and off are texts since YAML 1.2") !=
      std::string::npos);
}

TEST_CASE("variables of the file, the environment and the command line", "[spec]") {
  const auto text = kHead + R"(vars: {host: a, size: "1"}
images: {users: {tags: ["${{ vars.host }}-${{ git.sha_short }}"]}}
services: {users: {image: users, port: 80, environment: {HOST: "${{ vars.host }}", ENV: "${{ env.name }}", KEPT: "$HOME"}}}
environments:
  local: {target: {kind: local}, vars: {host: b}}
  other: {target: {kind: local}, vars: {only: x}, overrides: {services: {users: {replicas: 3}}}}
)";
  auto spec = good(text);
  CHECK(spec.environment == "local");
  const auto& values = spec.services.find("users")->environment;
  CHECK(values.at("HOST").text == "b");
  CHECK(values.at("ENV").text == "local");
  CHECK(values.at("KEPT").text == "$HOME");
  CHECK(spec.images.find("users")->tags[0].text == "b-${{ git.sha_short }}");
  spec = good(text, {"other", {{"host", "c"}}});
  CHECK(spec.services.find("users")->environment.at("HOST").text == "c");
  CHECK(spec.services.find("users")->replicas == 3);
  CHECK(mistakes(text, {"othre", {}}).find("there is no environment `othre`") != std::string::npos);
  CHECK(mistakes(kHead + "vars: {host: a}\nregistry: {url: \"${{ vars.hots }}\"}\n")
            .find("there is no variable `hots`\n     4 | registry: {url: \"${{ vars.hots }}\"}\n") !=
        std::string::npos);
  CHECK(mistakes(kHead + "registry: {url: \"${{ git.sha }}\"}\n")
            .find("`${{ git.sha }}` is known in the run only") != std::string::npos);
  CHECK(mistakes(kHead + "registry: {url: \"${{ vars.a\"}\n").find("a `${{` without its `}}`") !=
        std::string::npos);
}

TEST_CASE("an image extends another, and a circle is named", "[spec]") {
  const auto spec = good(kHead +
                         "images:\n  a: {context: here, target: run, push: true}\n  b: {extends: a, target: "
                         "test, push: false}\n");
  CHECK(spec.images.find("b")->context.text == "here");
  CHECK(spec.images.find("b")->target.text == "test");
  CHECK(spec.images.find("b")->push == false);
  CHECK(mistakes(kHead + "images:\n  a: {extends: b}\n  b: {extends: a}\n")
            .find("images extend each other in a circle") != std::string::npos);
}

TEST_CASE("what waits for itself is named with the whole circle", "[spec]") {
  const auto text = mistakes(kHead + R"(images: {app: {}}
services:
  a: {image: app, depends_on: [b]}
  b: {image: app, depends_on: {c: healthy}}
  c: {image: app, depends_on: [a]}
)");
  CHECK(text.find("services wait for each other: a → b → c → a") != std::string::npos);
}

TEST_CASE("the rules between keys", "[spec]") {
  CHECK(mistakes(kHead + "secrets: {a: {env: A, file: b}}\n")
            .find("exactly one of `env`, `file` and `command`") != std::string::npos);
  CHECK(mistakes(kHead + "sources: {a: {path: a, git: b}}\n").find("one of `path` and `git`") !=
        std::string::npos);
  CHECK(mistakes(kHead + "sources: {a: {path: a}, b: {path: b}}\nimages: {x: {}}\n")
            .find("which source is image `x` built from?") != std::string::npos);
  CHECK(mistakes(kHead + "images: {X_1: {}}\n").find("`X_1` is no name for a image") != std::string::npos);
  CHECK(mistakes(kHead + "images: {a: {}}\nservices: {s: {image: a, volumes: [\"/etc:/etc\"]}}\n")
            .find("folders of this machine cannot be mounted") != std::string::npos);
  CHECK(mistakes(kHead + "steps: [{name: a}]\n").find("step `a` has to have one of `run` and `uses`") !=
        std::string::npos);
  CHECK(mistakes(kHead + "steps: [{name: a, run: x, if: \"changed('a')\"}]\n")
            .find("the condition `changed('a')` is not built yet") != std::string::npos);
  CHECK(mistakes(kHead + "images: {a: {}}\nservices: {s: {image: a, environment: [\"A=b\"]}}\n")
            .find("write `NAME: value` instead of `- NAME=value`") != std::string::npos);
  CHECK(mistakes(kHead + "retain: {cache: huge}\n").find("this must be a size, not `huge`") !=
        std::string::npos);
}

TEST_CASE("numbers of replicas, autoscalers and ways in that cannot be are told with their place", "[spec]") {
  const auto told = [](const std::string& service, const std::string& words) {
    INFO(service);
    const auto said = mistakes(kHead + "images: {a: {}}\nservices: {s: {image: a, port: 1, " + service +
                               "}, t: {image: a, port: 1, "
                               "ingress: {host: h}}}\n");
    INFO(said);
    CHECK(said.find("slipway.yaml:4:") == 0);
    CHECK(said.find(words) != std::string::npos);
  };
  told("replicas: 10000", "this must be a whole number from 0 to 1000, not `10000`");
  told("autoscale: {min: 5, max: 2}", "`min` 5 is more than `max` 2");
  told("autoscale: {max: 2, cpu: much}", "this must be a share of what is requested, not `much`");
  told("ingress: {host: h, path: /}", "`s` and `t` both have the way in h/");
  told("service_account: {name: x, annotations: {a: b}}", "is not annotated here");
  told("manifests: {}", "one of `files`, `kustomize` and `command` is missing");
  told("publish: 8080}, u: {image: a, port: 1, publish: 8080", "`s` and `u` both publish port 8080");
}

TEST_CASE("the reference and the schema come from the tables", "[spec]") {
  const auto schema = spec_json_schema();
  CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
  CHECK(schema["properties"].contains("services"));
  CHECK_FALSE(schema["properties"].contains("notify"));
  CHECK(schema["definitions"]["image"]["additionalProperties"] == false);
  CHECK(read_file(fs::path(SLIPWAY_SOURCE_DIR) / "pipeline/spec/REFERENCE.md") == spec_reference());
}

TEST_CASE("a spec is found from a folder below it", "[spec]") {
  TempDir dir(fs::temp_directory_path());
  make_dirs(dir.path() / "a/b");
  write_file_atomic(dir.path() / "slipway.yaml", kHead);
  CHECK(find_spec("", dir.path() / "a/b") == dir.path() / "slipway.yaml");
  CHECK(find_spec("slipway.yaml", dir.path()) == dir.path() / "slipway.yaml");
  CHECK_THROWS_WITH(find_spec("other.yaml", dir.path()), "there is no spec `other.yaml`");
}

TEST_CASE("each kind of target has its own keys", "[spec]") {
  const auto target = [](const std::string& keys) {
    return kHead + "environments:\n  prod:\n    target: {" + keys + "}\n";
  };
  const auto spec =
      good(target("kind: swarm, host: \"ssh://me@build\", encrypted: false, publish_mode: host, "
                  "endpoint_mode: dnsrr, update_order: stop-first, tls: {ca: ca.pem}, deadline: 1m"));
  const auto& swarm = spec.environments.items[0].target;
  CHECK(swarm.host.text == "ssh://me@build");
  CHECK(swarm.ca.text == "ca.pem");
  CHECK_FALSE(swarm.encrypted);
  CHECK(swarm.endpoint_mode == "dnsrr");
  CHECK(mistakes(target("kind: swarm, namespace: x"))
            .find("`namespace` is of `kubernetes`: this target is `swarm`") != std::string::npos);
  CHECK(mistakes(target("kind: kubernetes, host: x"))
            .find("`host` is of `swarm`: this target is `kubernetes`") != std::string::npos);
  CHECK(mistakes(target("kind: local, host: x")).find("`host` is of clusters: this target is this machine") !=
        std::string::npos);
}
