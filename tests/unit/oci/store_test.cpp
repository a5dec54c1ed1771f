// References, descriptors, and the store that every step shares.
#include "oci/store.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/reference.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::oci;

TEST_CASE("references are read as Docker reads them", "[oci]") {
  const auto canonical = [](std::string_view text) { return Reference::parse(text).str(); };
  CHECK(canonical("python") == "docker.io/library/python:latest");
  CHECK(canonical("python:3.11") == "docker.io/library/python:3.11");
  CHECK(canonical("team/app") == "docker.io/team/app:latest");
  CHECK(canonical("localhost/app:1") == "localhost/app:1");
  CHECK(canonical("localhost:5000/a/b") == "localhost:5000/a/b:latest");
  CHECK(canonical("[::1]:5000/a:x") == "[::1]:5000/a:x");
  const auto digest = "sha256:" + std::string(64, 'a');
  CHECK(canonical("app@" + digest) == "docker.io/library/app@" + digest);
  CHECK(canonical("app:1@" + digest) == "docker.io/library/app:1@" + digest);
  CHECK(Reference::parse("docker.io/library/python:3.11").familiar() == "python:3.11");
  CHECK(Reference::parse("team/app:1").familiar() == "team/app:1");
}

TEST_CASE("what is no reference is refused with the reason", "[oci]") {
  const auto complaint = [](std::string_view text) {
    try {
      return "accepted " + Reference::parse(text).str();
    } catch (const Error& e) {
      return e.message();
    }
  };
  CHECK(complaint("") == "an image reference is empty");
  CHECK(complaint("Python") == "`Python` is no image reference: the repository must be lower case");
  CHECK(complaint("a//b") == "`a//b` is no image reference: it has an empty path component");
  CHECK(complaint("a/../b") == "`a/../b` is no image reference: `..` is no name of a repository");
  CHECK(complaint("a:") == "`a:` is no image reference: `` is no tag");
  CHECK(complaint("a@sha256:12") == "`a@sha256:12` is no image reference: `sha256:12` is no digest");
  CHECK(complaint("https://a/b") == "`https://a/b` is no image reference: it begins with a scheme");
  CHECK(complaint("a.b:99999/x") == "`a.b:99999/x` is no image reference: `a.b:99999` is no registry host");
}

TEST_CASE("a blob in the store is whole, and verified when it is read", "[oci]") {
  TempDir dir(fs::temp_directory_path());
  Store store(dir.path() / "store");
  const auto digest = store.put("hello");
  CHECK(store.has(digest));
  CHECK(store.get(digest) == "hello");
  CHECK_FALSE(store.has(Descriptor{"", digest, 6, {}, {}}));

  auto writer = store.writer();
  writer.write("other");
  CHECK_THROWS_WITH(writer.commit(digest), Catch::Contains("blob is corrupt: expected `" + digest.str()));

  write_file_atomic(store.blob_path(digest), "hellO");
  CHECK_THROWS_WITH(store.get(digest), Catch::Contains("is corrupt"));
  CHECK_THROWS_WITH(store.get(Digest::of("never")), Catch::Contains("has no blob"));
  // Nothing half-written lies about.
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(store.path() / "blobs/sha256"))
    files += entry.is_regular_file();
  CHECK(files == 1);
}

TEST_CASE("an image is put, tagged, found and copied", "[oci]") {
  TempDir dir(fs::temp_directory_path());
  Store store(dir.path() / "a"), other(dir.path() / "b");
  ImageConfig config;
  config.env = {"PATH=/bin"};
  config.cmd = {"/bin/app"};
  config.user = "app";
  config.labels = {{"k", "v"}};
  config.exposed_ports = {"80/tcp"};
  config.diff_ids = {Digest::of("tar")};
  Descriptor layer{std::string(media::layer), store.put("tar"), 3, {}, {}};
  const auto image = store.put_image(config, {layer});
  CHECK(store.put_image(config, {layer}) == image);
  store.tag("app:1", image);
  store.tag("app:1", image);
  REQUIRE(store.find("app:1"));
  CHECK(*store.find("app:1") == image);
  CHECK(store.tags().size() == 1);
  copy_image(store, image, other);
  const auto read_back = other.config(other.manifest(image));
  CHECK(read_back.cmd == config.cmd);
  CHECK(read_back.user == "app");
  CHECK(read_back.labels == config.labels);
  CHECK(read_back.diff_ids == config.diff_ids);
}

TEST_CASE("an index is followed to the platform that is asked for", "[oci]") {
  TempDir dir(fs::temp_directory_path());
  Store store(dir.path());
  Index index;
  for (const char* arch : {"amd64", "arm64"}) {
    ImageConfig config;
    config.platform.architecture = arch;
    auto image = store.put_image(config, {});
    image.platform = config.platform;
    index.manifests.push_back(image);
  }
  const auto text = serialize(index);
  const Descriptor descriptor{std::string(media::index), store.put(text), text.size(), {}, {}};
  CHECK(store.config(store.manifest(descriptor, *Platform::parse("linux/arm64"))).platform.architecture ==
        "arm64");
  CHECK_THROWS_WITH(store.manifest(descriptor, *Platform::parse("linux/s390x")),
                    "the image has no variant for `linux/s390x`");
}
