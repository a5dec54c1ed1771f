// registry.push as a step of a run: done once, done again when the registry lost it, and after a kill -9.
#include <catch2/catch.hpp>
#include <csignal>

#include "oci/layer.h"
#include "oci/registry_client.h"
#include "plugins/builtin.h"
#include "support/fake_run.h"
#include "support/http_server.h"
#include "support/registry_server.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

Descriptor image_in(Store& store, const std::string& content) {
  LayerWriter writer(store);
  Entry entry;
  entry.path = "greeting";
  writer.add_file(entry, std::string_view(content));
  const auto layer = writer.finish();
  ImageConfig config;
  config.diff_ids = {layer.diff_id};
  return store.put_image(config, {layer.descriptor});
}

struct PushRun : FakeRun {
  Store store = open_user_store(dirs.cache);
  PushRun() { add_builtin_plugins(plugins); }
  void push(const Descriptor& image, const std::string& repository) {
    auto& step =
        plan.step("push.app", {},
                  {{"image", to_json(image)}, {"repository", repository}, {"tags", {"1", "latest"}}}, "push");
    step.uses = "registry";
  }
};

}  // namespace

TEST_CASE("a push is not done twice, unless the registry lost the image or the tag moved", "[registry]") {
  if (!have("docker-registry")) return;
  RegistryServer server;
  PushRun run;
  const auto image = image_in(run.store, "hello");
  const auto repository = server.host() + "/shop/app";
  run.push(image, repository);
  run.run();
  REQUIRE(run.result_of("push.app") == Result::success);
  const auto outputs = run.step("push.app").outputs;
  CHECK(outputs["ref"] == repository + "@" + image.digest.str());
  CHECK(outputs["digest"] == image.digest.str());
  CHECK(outputs["tags"] == json({"sha256-" + image.digest.hex(), "1", "latest"}));
  run.run();
  CHECK(run.step("push.app").cached);

  // Somebody moves a tag.
  RegistryClient other({});
  other.push(run.store, image_in(run.store, "other"), Reference::parse(repository + ":latest"));
  run.run();
  CHECK_FALSE(run.step("push.app").cached);
  CHECK(other.resolve(Reference::parse(repository + ":latest")).digest == image.digest);
  run.run();
  CHECK(run.step("push.app").cached);

  // The registry loses everything.
  fs::remove_all(
      server.blob(image.digest.hex()).parent_path().parent_path().parent_path().parent_path().parent_path());
  run.run();
  CHECK_FALSE(run.step("push.app").cached);
  CHECK(run.result_of("push.app") == Result::success);
  CHECK(other.resolve(Reference::parse(repository + ":1")).digest == image.digest);
  run.run();
  CHECK(run.step("push.app").cached);
}

TEST_CASE("a push whose registry is gone fails with the reason, though it was done before", "[registry]") {
  if (!have("docker-registry")) return;
  RegistryServer server;
  PushRun run;
  const auto image = image_in(run.store, "hello");
  run.push(image, server.host() + "/app");
  run.run();
  REQUIRE(run.result_of("push.app") == Result::success);
  const auto host = server.host();
  server.stop();
  run.run();
  CHECK(run.finished.exit == 6);
  CHECK_THAT(run.step("push.app").message, Catch::StartsWith(fmt::format("cannot reach `{}`", host)));
}

TEST_CASE("an image or tag that cannot be is refused before the registry is asked", "[registry]") {
  HttpServer server([](const Asked&) -> std::optional<Reply> { return Reply{}; });
  PushRun run;
  run.push(image_in(run.store, "hello"), server.host() + "/Shop");
  run.run();
  CHECK(run.finished.exit == 2);
  CHECK_THAT(run.step("push.app").message, Catch::Contains("Shop"));
  CHECK(server.asked().empty());
}

TEST_CASE("a push killed in the middle is finished by the same push", "[registry]") {
  if (!have("docker-registry")) return;
  RegistryServer real;
  Gate uploading, go_on;
  bool first = true;
  HttpServer proxy(
      [&](const Asked& asked) -> std::optional<Reply> {
        if (asked.method == "PUT" && std::exchange(first, false)) {
          uploading.open();
          go_on.wait();
        }
        return std::nullopt;
      },
      real.host());
  User user;
  Store layout(user.dir() / "in");
  const auto image = image_in(layout, "hello");
  layout.tag("v1", image);
  const auto reference = proxy.host() + "/app:1";
  {
    Child child(user.command({"image", "push", "oci:in", reference}));
    REQUIRE(uploading.wait());
    REQUIRE(::kill(child.pid(), SIGKILL) == 0);
    REQUIRE(child.wait_for(Millis(20'000)));
    go_on.open();
  }
  // Half a push is no image.
  try {
    RegistryClient({}).resolve(Reference::parse(reference));
    FAIL("a manifest came before its blobs");
  } catch (const Error& e) {
    CHECK(e.message() == fmt::format("there is no image `{}`", reference));
  }
  const auto again = user.slipway({"image", "push", "oci:in", reference});
  CHECK(again.code == 0);
  Store out(user.dir() / "out");
  CHECK(RegistryClient({}).pull(Reference::parse(reference), out, Platform::host()).digest == image.digest);
}

TEST_CASE("^C ends a transfer at once", "[registry]") {
  Gate asked_for, never;
  HttpServer server([&](const Asked&) -> std::optional<Reply> {
    asked_for.open();
    never.wait();
    return Reply{};
  });
  User user;
  Child child(user.command({"image", "pull", server.host() + "/app:1", "oci:out"}));
  REQUIRE(asked_for.wait());
  REQUIRE(::kill(child.pid(), SIGINT) == 0);
  const auto status = child.wait_for(Millis(10'000));
  never.open();
  REQUIRE(status);
  CHECK(status->code == 130);
}
