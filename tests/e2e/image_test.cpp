// slipway image pull, push and inspect as a user types them, with a real registry and other people's clients.
#include <catch2/catch.hpp>

#include "oci/layer.h"
#include "support/registry_server.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

bool parts() {
  return have("docker-registry") && have("skopeo") && have("htpasswd");
}

Descriptor image_in(const Store& store, const std::string& content) {
  LayerWriter writer(store);
  Entry entry;
  entry.path = "greeting";
  writer.add_file(entry, std::string_view(content));
  const auto layer = writer.finish();
  ImageConfig config;
  config.entrypoint = {"/bin/app"};
  config.cmd = {"--say", "good day"};
  config.env = {"A=1"};
  config.user = "1000";
  config.exposed_ports = {"80/tcp"};
  config.labels = {{"team", "shop"}};
  config.diff_ids = {layer.diff_id};
  Store out = store;
  return out.put_image(config, {layer.descriptor});
}

std::string output_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return run_capture(command);
}

}  // namespace

TEST_CASE("an image goes from a layout to a registry and back by the command line", "[image]") {
  if (!parts()) return;
  User user;
  RegistryServer server;
  Store layout(user.dir() / "in");
  const auto image = image_in(layout, "hello");
  layout.tag("v1", image);
  const auto reference = server.host() + "/shop/app:1";
  const auto by_digest = server.host() + "/shop/app@" + image.digest.str() + "\n";

  const auto pushed = user.slipway({"image", "push", "oci:in:v1", reference});
  CHECK(pushed.code == 0);
  CHECK(pushed.out == by_digest);
  CHECK(pushed.err == "pushing " + reference + "\n");
  CHECK(json::parse(output_of({"skopeo", "inspect", "--tls-verify=false",
                               "docker://" + reference}))["Digest"] == image.digest.str());

  const auto pulled = user.slipway({"image", "pull", reference, "oci:out:mine"});
  CHECK(pulled.code == 0);
  CHECK(pulled.out == image.digest.str() + "\n");
  CHECK(Store(user.dir() / "out").find("mine") == image);
  CHECK(json::parse(
            output_of({"skopeo", "inspect", "oci:" + (user.dir() / "out").string() + ":mine"}))["Digest"] ==
        image.digest.str());

  // Into the local store and, under the same name, to the registry again.
  CHECK(user.slipway({"image", "pull", "--progress", "quiet", reference}).err == "");
  CHECK(user.slipway({"image", "push", reference}).out == by_digest);
  const auto told = json::parse(
      user.slipway({"image", "push", reference, server.host() + "/other:2", "--output", "json"}).out);
  CHECK(told["ref"] == server.host() + "/other@" + image.digest.str());
  CHECK(told["descriptor"]["digest"] == image.digest.str());
}

TEST_CASE("inspect tells what an image is, at its registry and in a layout", "[image]") {
  if (!parts()) return;
  User user;
  RegistryServer server;
  Store layout(user.dir() / "in");
  const auto image = image_in(layout, "hello");
  const auto layer = layout.manifest(image).layers[0];
  layout.tag("v1", image);
  const auto reference = server.host() + "/app:1";
  REQUIRE(user.slipway({"image", "push", "oci:in", reference}).code == 0);
  const auto text = [&](const std::string& name) {
    return fmt::format(
        "name        {}\n"
        "digest      {}\n"
        "type        application/vnd.oci.image.manifest.v1+json\n"
        "platform    linux/amd64\n"
        "size        {} B in 1 layer\n"
        "user        1000\n"
        "entrypoint  /bin/app\n"
        "command     --say \"good day\"\n"
        "ports       80/tcp\n"
        "env         A=1\n"
        "label       team=shop\n"
        "layer       {} {} B\n",
        name, image.digest.str(), layer.size, layer.digest.str(), layer.size);
  };
  CHECK(user.slipway({"image", "inspect", reference}).out == text(reference));
  CHECK(user.slipway({"image", "inspect", "oci:in:v1"}).out == text("in:v1"));
  const auto told = json::parse(user.slipway({"image", "inspect", reference, "-o", "json"}).out);
  CHECK(told["digest"] == image.digest.str());
  CHECK(told["config"]["config"]["Cmd"] == json({"--say", "good day"}));
  CHECK(told["layers"][0]["digest"] == layer.digest.str());
  CHECK(told["platforms"] == json::array());
  // Nothing was stored for it.
  CHECK_FALSE(fs::exists(user.cache() / "store" / "blobs" / "sha256" / layer.digest.hex()));
}

TEST_CASE("inspect finds what was built here by its name, before any registry", "[image]") {
  if (!have("docker-registry")) return;
  User user;
  RegistryServer server;
  const auto reference = server.host() + "/app:1";
  const auto build = [&](const std::string& team) {
    user.write("ctx/Dockerfile", "FROM scratch\nLABEL team=" + team + "\n");
    const auto built = user.slipway({"image", "build", "-t", "mine", "-t", reference, "ctx"});
    REQUIRE(built.code == 0);
    return built.out;
  };
  const auto digest_of = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"image", "inspect", "-o", "json"});
    const auto ran = user.slipway(args);
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out)["digest"].get<std::string>() + "\n";
  };
  const auto first = build("shop");
  const auto told = user.slipway({"image", "inspect", "mine"});
  CHECK(told.code == 0);
  CHECK_THAT(told.out, Catch::StartsWith("name        docker.io/library/mine:latest\ndigest      " + first));
  REQUIRE(user.slipway({"image", "push", reference}).code == 0);
  const auto second = build("other");
  CHECK(digest_of({"mine"}) == second);
  CHECK(digest_of({reference}) == second);
  CHECK(digest_of({"--remote", reference}) == first);
}

TEST_CASE("of an image for several platforms the one asked for is taken", "[image]") {
  if (!parts()) return;
  User user;
  RegistryServer server;
  Store layout(user.dir() / "in");
  Index index;
  for (const char* name : {"linux/amd64", "linux/arm64"}) {
    auto image = image_in(layout, name);
    image.platform = Platform::parse(name);
    index.manifests.push_back(image);
  }
  const auto text = serialize(index);
  Descriptor both;
  both.media_type = media::index;
  both.digest = layout.put(text);
  both.size = text.size();
  layout.tag("both", both);
  const auto reference = server.host() + "/app:both";
  CHECK(user.slipway({"image", "push", "oci:in:both", reference}).code == 0);
  CHECK(json::parse(output_of(
            {"skopeo", "inspect", "--raw", "--tls-verify=false", "docker://" + reference}))["manifests"]
            .size() == 2);
  CHECK(user.slipway({"image", "pull", reference, "oci:out", "--platform", "linux/arm64"}).out ==
        index.manifests[1].digest.str() + "\n");
  const auto ran = user.slipway({"image", "pull", reference, "oci:out", "--platform", "linux/s390x"});
  CHECK(ran.code == 6);
  CHECK_THAT(ran.err, Catch::EndsWith("slipway: the image has no variant for `linux/s390x`\n"
                                      "  while pulling `" +
                                      reference +
                                      "`\n"
                                      "  hint: it has `linux/amd64`, `linux/arm64`\n"));
  const auto told = json::parse(user.slipway({"image", "inspect", reference, "-o", "json"}).out);
  CHECK(told["digest"] == both.digest.str());
  CHECK(told["platforms"] == json({"linux/amd64", "linux/arm64"}));
}

TEST_CASE("logins come from a file as docker writes it, and without them the exit code says so", "[image]") {
  if (!parts()) return;
  User user;
  RegistryServer server({"ada", "secret", false, {}, {}});
  Store layout(user.dir() / "in");
  layout.tag("v1", image_in(layout, "hello"));
  const auto reference = server.host() + "/app:1";
  const json config = {{"auths", {{server.host(), {{"username", "ada"}, {"password", "secret"}}}}}};
  user.write("auth.json", config.dump());
  user.write("wrong.json", R"({"auths": {")" + server.host() + R"(": {"auth": "YWRhOndyb25n"}}})");
  CHECK(user.slipway({"image", "push", "--authfile", "auth.json", "oci:in", reference}).code == 0);
  user.write("home/.docker/config.json", config.dump());
  CHECK(user.slipway({"image", "inspect", reference}).code == 0);
  const auto ran = user.slipway({"image", "pull", "--authfile", "wrong.json", reference, "oci:out"});
  CHECK(ran.code == 3);
  CHECK(ran.out == "");
  CHECK_THAT(ran.err,
             Catch::Contains(fmt::format("slipway: `{}` does not let `ada` pull from `app`", server.host())));
  CHECK(ran.err.find("wrong") == std::string::npos);
  CHECK_FALSE(fs::exists(user.dir() / "out"));  // no empty layout stays
}

TEST_CASE("mistakes in what is typed are told whole", "[image]") {
  User user;
  Store layout(user.dir() / "in");
  layout.tag("v1", image_in(layout, "one"));
  layout.tag("v2", image_in(layout, "two"));
  Store empty(user.dir() / "empty");
  struct Mistake {
    std::vector<std::string> args;
    std::string text;
  };
  const std::vector<Mistake> mistakes = {
      {{"push", "oci:in", "127.0.0.1:1/a"},
       "`in` holds 2 images\n  hint: choose one with `oci:in:TAG`: `v1`, `v2`"},
      {{"push", "oci:in:v3", "127.0.0.1:1/a"}, "`in` has no image `v3`\n  hint: did you mean `v1`?"},
      {{"push", "oci:empty", "127.0.0.1:1/a"}, "`empty` holds no image"},
      {{"push", "oci:nowhere", "127.0.0.1:1/a"},
       "`nowhere` is no OCI image layout\n  hint: it has no file `oci-layout`"},
      {{"push", "oci:in:v1"},
       "`oci:in:v1` is to be pushed, but not where to\n  hint: write `slipway image push oci:in:v1 "
       "REGISTRY/NAME:TAG`"},
      {{"push", "app:1"},
       "there is no image `app:1` on this machine\n  hint: build it with `slipway image build -t`, or name a "
       "layout: `oci:DIR[:TAG]`"},
      {{"pull", "app:1", "somewhere"},
       "`somewhere` is no place to pull to\n  hint: write `oci:DIR[:TAG]`; without a place the image goes to "
       "the "
       "local store"},
      {{"pull", "app:1", "docker-archive:x.tar"},
       "`docker-archive:x.tar` cannot be used here: `docker-archive:` is not supported\n  hint: write "
       "`oci:DIR[:TAG]`, or REGISTRY/NAME:TAG without a prefix"},
      {{"pull", "app:1", "oci:"}, "`oci:` names no folder\n  hint: write `oci:DIR[:TAG]`"},
      {{"pull", "app:1", "--platform", "linux"}, "`linux` is no platform\n  hint: as in `linux/amd64`"},
      {{"inspect", "app:1", "--mirror", "docker.io"},
       "`--mirror docker.io` is no PREFIX=HOST\n  hint: as in `--mirror docker.io=127.0.0.1:5000`"},
  };
  for (const auto& mistake : mistakes) {
    auto args = mistake.args;
    args.insert(args.begin(), "image");
    const auto ran = user.slipway(args);
    CHECK(ran.err == "slipway: " + mistake.text + "\n");
    CHECK(ran.code == 2);
    CHECK(ran.out == "");
  }
  CHECK_FALSE(fs::exists(user.dir() / "nowhere"));
}
