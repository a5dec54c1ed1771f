// Images to a real registry and back, checked by other people's clients; and what happens when it fails.
#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/layer.h"
#include "oci/registry_client.h"
#include "support/registry_server.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

bool parts() {
  return have("docker-registry") && have("skopeo") && have("umoci") && have("htpasswd") && have("openssl");
}

Descriptor small_image(Store& store, const std::string& content = "hello") {
  LayerWriter writer(store);
  Entry entry;
  entry.path = "greeting";
  writer.add_file(entry, std::string_view(content));
  const auto layer = writer.finish();
  ImageConfig config;
  config.cmd = {"/bin/true"};
  config.diff_ids = {layer.diff_id};
  return store.put_image(config, {layer.descriptor});
}

std::string output_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return run_capture(command);
}

struct Place {
  TempDir dir{fs::temp_directory_path(), "slipway-registry-test-"};
  Store store{dir.path() / "store"}, other{dir.path() / "other"};
};

std::string complaint(const std::function<void()>& work, ExitCode code) {
  try {
    work();
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.message();
  }
  return "no error";
}

// The blob's content in the registry, changed behind its back.
void corrupt(const fs::path& blob) {
  auto bytes = read_file(blob);
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomic(blob, bytes);
}

}  // namespace

TEST_CASE("an image is pushed to a real registry, read by skopeo and umoci, and pulled again", "[registry]") {
  if (!parts()) return;
  Place place;
  RegistryServer server;
  const auto image = small_image(place.store);
  const auto reference = Reference::parse(server.host() + "/shop/app:1");
  RegistryClient client({});
  CHECK(client.push(place.store, image, reference).digest == image.digest);
  CHECK(client.resolve(reference).digest == image.digest);

  const auto inspected =
      json::parse(output_of({"skopeo", "inspect", "--tls-verify=false", "docker://" + reference.str()}));
  CHECK(inspected["Digest"] == image.digest.str());
  const auto layout = (place.dir.path() / "layout").string();
  output_of(
      {"skopeo", "copy", "--src-tls-verify=false", "docker://" + reference.str(), "oci:" + layout + ":app"});
  output_of({"umoci", "unpack", "--image", layout + ":app", (place.dir.path() / "bundle").string()});
  CHECK(read_file(place.dir.path() / "bundle/rootfs/greeting") == "hello");

  const auto pulled = client.pull(reference, place.other, Platform::host());
  CHECK(pulled == image);
  CHECK(place.other.has(place.other.manifest(pulled).layers[0]));
  // By digest too, and through a mirror under another name.
  RegistryClient mirrored({false, {{"docker.io", server.host() + "/shop"}}, {}, {}});
  CHECK_THROWS_WITH(mirrored.resolve(Reference::parse("library/app:1")), "there is no image `app:1`");
  RegistryClient named({false, {{"docker.io/library/app", server.host() + "/shop/app"}}, {}, {}});
  CHECK(named.resolve(Reference::parse("app:1")).digest == image.digest);
}

TEST_CASE("what skopeo pushed is pulled", "[registry]") {
  if (!parts()) return;
  Place place;
  RegistryServer server;
  const auto image = small_image(place.store, "by skopeo");
  place.store.tag("app", image);
  const auto reference = Reference::parse(server.host() + "/app:2");
  output_of({"skopeo", "copy", "--dest-tls-verify=false", "--format", "v2s2",
             "oci:" + place.store.path().string() + ":app", "docker://" + reference.str()});
  RegistryClient client({});
  const auto pulled = client.pull(reference, place.other, Platform::host());
  CHECK(pulled.media_type == media::docker_manifest);
  CHECK(place.other.config(place.other.manifest(pulled)).cmd == std::vector<std::string>{"/bin/true"});
}

TEST_CASE("a registry with logins", "[registry]") {
  if (!parts()) return;
  Place place;
  RegistryServer server({"ada", "pa:ss", false, {}, {}});
  const auto image = small_image(place.store);
  const auto reference = Reference::parse(server.host() + "/app:1");
  CHECK(RegistryClient({false, {}, "ada:pa:ss", {}}).push(place.store, image, reference).digest ==
        image.digest);
  const json config = {{"auths", {{server.host(), {{"auth", "YWRhOnBhOnNz"}}}}}};
  CHECK(RegistryClient({false, {}, config.dump(), {}}).resolve(reference).digest == image.digest);
  CHECK(complaint(
            [&] {
              RegistryClient({false, {}, R"({"auths":{}})", {}}).resolve(reference);
            },
            ExitCode::auth) == fmt::format("`{}` does not let you pull from `app`", server.host()));
  CHECK(complaint(
            [&] {
              RegistryClient({false, {}, "ada:wrong", {}}).push(place.store, image, reference);
            },
            ExitCode::auth) == fmt::format("`{}` does not let `ada` push to `app`", server.host()));
}

TEST_CASE("TLS is verified", "[registry]") {
  if (!parts()) return;
  Place place;
  RegistryServer server({"", "", true, {}, {}});
  const auto image = small_image(place.store);
  const auto reference = Reference::parse(server.host() + "/app:1");
  CHECK(complaint([&] { RegistryClient({}).push(place.store, image, reference); }, ExitCode::unavailable)
            .starts_with(fmt::format("the certificate of `{}` is not trusted", server.host())));
  ::setenv("SSL_CERT_FILE", server.ca_file().c_str(), 1);
  CHECK(RegistryClient({}).push(place.store, image, reference).digest == image.digest);
  ::unsetenv("SSL_CERT_FILE");
  CHECK(RegistryClient({true, {}, {}, {}}).resolve(reference).digest == image.digest);
}

TEST_CASE("a registry that fails is told from an image that is not there, and nothing wrong is kept",
          "[registry]") {
  if (!parts()) return;
  Place place;
  RegistryServer server;
  const auto image = small_image(place.store);
  const auto layer = place.store.manifest(image).layers[0];
  const auto reference = Reference::parse(server.host() + "/app:1");
  RegistryClient client({});
  client.push(place.store, image, reference);
  SECTION("a blob with other content") {
    corrupt(server.blob(layer.digest.hex()));
    CHECK_THAT(
        complaint([&] { client.pull(reference, place.other, Platform::host()); }, ExitCode::unavailable),
        Catch::StartsWith("blob is corrupt: expected `" + layer.digest.str()));
    CHECK_FALSE(place.other.has(layer.digest));
    CHECK_FALSE(place.other.has(image.digest));
  }
  SECTION("a blob that is short") {
    const auto bytes = read_file(server.blob(layer.digest.hex()));
    write_file_atomic(server.blob(layer.digest.hex()), bytes.substr(0, bytes.size() / 2));
    CHECK_THAT(
        complaint([&] { client.pull(reference, place.other, Platform::host()); }, ExitCode::unavailable),
        Catch::Contains(layer.digest.str()));
    CHECK_FALSE(place.other.has(layer.digest));
  }
  SECTION("a manifest with other content") {
    corrupt(server.blob(image.digest.hex()));
    CHECK_THROWS_AS(client.pull(reference, place.other, Platform::host()), Error);
    CHECK_FALSE(place.other.has(image.digest));
  }
  SECTION("no such image, no such registry") {
    CHECK(complaint([&] { client.resolve(Reference::parse(server.host() + "/app:nope")); },
                    ExitCode::unavailable) == fmt::format("there is no image `{}/app:nope`", server.host()));
    const auto host = server.host();
    server.stop();
    CHECK_THAT(
        complaint([&] { RegistryClient({}).push(place.store, image, reference); }, ExitCode::unavailable),
        Catch::StartsWith(fmt::format("cannot reach `{}`", host)));
  }
}

TEST_CASE("plain HTTP needs to be asked for when the registry is elsewhere", "[registry]") {
  CHECK(complaint([&] { RegistryClient({}).resolve(Reference::parse("registry.invalid/app:1")); },
                  ExitCode::unavailable) == "there is no host `registry.invalid:443`");
}
