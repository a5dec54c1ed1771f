// What registries do wrong, and what then is said, tried again or left alone. A proxy in front of a real
// registry makes the faults.
#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/layer.h"
#include "oci/registry_client.h"
#include "support/http_server.h"
#include "support/registry_server.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

struct Place {
  TempDir dir{fs::temp_directory_path(), "slipway-faults-"};
  Store store{dir.path() / "store"}, other{dir.path() / "other"};
  Descriptor image = [this] {
    LayerWriter writer(store);
    Entry entry;
    entry.path = "greeting";
    writer.add_file(entry, std::string_view("hello"));
    const auto layer = writer.finish();
    ImageConfig config;
    config.diff_ids = {layer.diff_id};
    return store.put_image(config, {layer.descriptor});
  }();
  Descriptor layer = store.manifest(image).layers[0];
};

Reply reply(int status, std::map<std::string, std::string> headers = {}, std::string body = {}) {
  Reply out;
  out.status = status;
  out.headers = std::move(headers);
  out.body = std::move(body);
  return out;
}

// The whole text of the error and its exit code, the port of the test taken out.
struct Complaint {
  ExitCode code = ExitCode::ok;
  std::string text;
};
Complaint complaint(const std::string& host, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    auto text = e.str();
    for (std::size_t at; (at = text.find(host)) != std::string::npos;) text.replace(at, host.size(), "HOST");
    return {e.code(), text};
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("answers that no registry should give are told as what they are", "[registry]") {
  Place place;
  struct Case {
    Reply answer;
    std::string text;
  };
  const auto manifest_type = std::string(media::manifest);
  const std::vector<Case> cases = {
      {reply(200, {{"content-type", "text/html"}}, "<html>welcome</html>"),
       "registry `HOST` answers with `text/html` where a manifest should be\n"
       "  while pulling `HOST/app:1`\n"
       "  hint: is this the address of a registry?"},
      {reply(418, {{"content-type", "text/html"}}, "<html>tea</html>"),
       "registry `HOST` answers 418: it answers with a web page\n  while pulling `HOST/app:1`"},
      {reply(400, {}, R"({"errors":[{"code":"NAME_INVALID","message":"invalid repository name"}]})"),
       "registry `HOST` answers 400: invalid repository name\n  while pulling `HOST/app:1`"},
      {reply(404),
       "there is no image `HOST/app:1`\n  while pulling `HOST/app:1`\n  hint: look at the name and the tag; "
       "a "
       "private image needs a login"},
      {reply(200, {{"content-type", manifest_type}}, R"({"schemaVersion":1,"fsLayers":[]})"),
       "registry `HOST` has this image in the form of 2014 (schema 1) only\n  while pulling `HOST/app:1`\n  "
       "hint: "
       "push it again with a newer tool"},
      {reply(200, {{"content-type", manifest_type}},
             R"({"schemaVersion":2,"config":{},"layers":[],"manifests":[]})"),
       "what was read is no image manifest: it has `manifests` too\n  while pulling `HOST/app:1`\n  "
       "hint: the registry or the layout that it came from is damaged, or answers for something else"},
      {reply(200, {{"content-type", manifest_type}}, std::string(5u << 20, ' ')),
       "the answer of `http://HOST/v2/app/manifests/1` is larger than 4194304 bytes\n  while pulling "
       "`HOST/app:1`"},
      {reply(302, {{"location", "file:///etc/passwd"}}),
       "`file:///etc/passwd` is no place to go on to\n  while pulling `HOST/app:1`"},
      {reply(302, {{"location", "http://169.254.169.254/latest/meta-data"}}),
       "`http://HOST` leads to `http://169.254.169.254:80`, which is not followed\n  while pulling "
       "`HOST/app:1`\n  "
       "hint: a registry has no business there"},
      {reply(302, {{"location", "http://registry.example/v2/"}}),
       "`http://registry.example:80` would be asked without TLS\n  while pulling `HOST/app:1`\n  hint: say "
       "`insecure` when that is meant"},
      {reply(302, {{"location", "/again"}}), "`http://HOST` leads on and on\n  while pulling `HOST/app:1`"},
      {reply(429, {{"retry-after", "86400"}}),
       "registry `HOST` answers 429\n  while pulling `HOST/app:1`\n  hint: it asks to come back in 24h00m"},
  };
  for (const auto& one : cases) {
    HttpServer server([&](const Asked& asked) -> std::optional<Reply> {
      return asked.target == "/v2/" ? reply(200) : one.answer;
    });
    const auto reference = Reference::parse(server.host() + "/app:1");
    const auto got =
        complaint(server.host(), [&] { RegistryClient({}).pull(reference, place.other, Platform::host()); });
    CHECK(got.text == one.text);
    CHECK(got.code == ExitCode::unavailable);
    CHECK(place.other.tags().empty());
  }
}

TEST_CASE("what passes is tried again, what stays is told", "[registry]") {
  if (!have("docker-registry")) return;
  Place place;
  RegistryServer real;
  int left = 0;
  Reply fault;
  HttpServer proxy(
      [&](const Asked& asked) -> std::optional<Reply> {
        if (asked.target == "/v2/" || left == 0) return std::nullopt;
        --left;
        return fault;
      },
      real.host());
  const auto reference = Reference::parse(proxy.host() + "/app:1");
  const auto push = [&] { RegistryClient({}).push(place.store, place.image, reference); };
  const auto pull = [&] { RegistryClient({}).pull(reference, place.other, Platform::host()); };
  SECTION("two 503s") {
    left = 2;
    fault = reply(503);
    push();
    left = 2;
    pull();
    CHECK(place.other.has(place.layer));
  }
  SECTION("a connection that breaks") {
    left = 1;
    fault.hang_up = true;
    push();
    left = 1;
    pull();
    CHECK(place.other.has(place.layer));
  }
  SECTION("too many requests, and how long to wait") {
    left = 1;
    fault = reply(429, {{"retry-after", "1"}});
    const auto started = std::chrono::steady_clock::now();
    push();
    CHECK(std::chrono::steady_clock::now() - started >= std::chrono::seconds(1));
  }
  SECTION("500 for ever") {
    left = 1000;
    fault = reply(500, {{"content-type", "text/html"}}, "<html>oops</html>");
    const auto got = complaint(proxy.host(), push);
    CHECK(got.text ==
          "registry `HOST` answers 500: it answers with a web page\n  while pushing `HOST/app:1`");
    CHECK(got.code == ExitCode::unavailable);
    CHECK(left == 1000 - 4);
  }
}

TEST_CASE("a blob that comes short or wrong is fetched again, and never kept", "[registry]") {
  if (!have("docker-registry")) return;
  Place place;
  RegistryServer real;
  const auto path = "/v2/app/blobs/" + place.layer.digest.str();
  const auto bytes = read_file(place.store.blob_path(place.layer.digest));
  int left = 0;
  Reply fault;
  HttpServer proxy(
      [&](const Asked& asked) -> std::optional<Reply> {
        if (asked.method != "GET" || asked.target != path || left == 0) return std::nullopt;
        --left;
        return fault;
      },
      real.host());
  const auto reference = Reference::parse(proxy.host() + "/app:1");
  RegistryClient({}).push(place.store, place.image, reference);
  const auto pull = [&] { RegistryClient({}).pull(reference, place.other, Platform::host()); };
  const auto wrong = [&] {
    auto changed = bytes;
    changed[changed.size() / 2] ^= 1;
    return changed;
  }();
  SECTION("once") {
    left = 1;
    fault = reply(200, {}, bytes);
    fault.cut_after = bytes.size() / 2;
    pull();
    left = 1;
    CHECK(read_file(place.other.blob_path(place.layer.digest)) == bytes);
  }
  SECTION("always short") {
    left = 100;
    fault = reply(200, {}, bytes.substr(0, 10));
    const auto got = complaint(proxy.host(), pull);
    CHECK(got.text ==
          fmt::format("registry `HOST` sent 10 of the {} bytes of `{}`\n  while pulling `HOST/app:1`",
                      bytes.size(), place.layer.digest.str()));
    CHECK_FALSE(place.other.has(place.layer.digest));
  }
  SECTION("always too long") {
    left = 100;
    fault = reply(200, {}, bytes + "x");
    const auto got = complaint(proxy.host(), pull);
    CHECK(got.text ==
          fmt::format("registry `HOST` sent more than the {} bytes of `{}`\n  while pulling `HOST/app:1`",
                      bytes.size(), place.layer.digest.str()));
    CHECK_FALSE(place.other.has(place.layer.digest));
  }
  SECTION("always other content") {
    left = 100;
    fault = reply(200, {}, wrong);
    const auto got = complaint(proxy.host(), pull);
    CHECK(got.text ==
          fmt::format("blob is corrupt: expected `{}`, got `{}`\n  while pulling `HOST/app:1`\n  hint: "
                      "the sender or something on the way changed it; try again, then look at the "
                      "sender's storage",
                      place.layer.digest.str(), Digest::of(wrong).str()));
    CHECK(got.code == ExitCode::unavailable);
    CHECK_FALSE(place.other.has(place.layer.digest));
    CHECK_FALSE(place.other.has(Digest::of(wrong)));
    CHECK_FALSE(place.other.has(place.image.digest));
  }
}

TEST_CASE("a login is for the registry, not for the storage that it leads to", "[registry]") {
  if (!have("docker-registry") || !have("htpasswd")) return;
  Place place;
  RegistryServer real({"ada", "secret", false, {}, {}});
  const auto bytes = read_file(place.store.blob_path(place.layer.digest));
  HttpServer storage([&](const Asked&) -> std::optional<Reply> { return reply(200, {}, bytes); });
  HttpServer proxy(
      [&](const Asked& asked) -> std::optional<Reply> {
        if (asked.method != "GET" || !contains(asked.target, place.layer.digest.str())) return std::nullopt;
        return reply(307, {{"location", "http://" + storage.host() + "/bucket?signature=x"}});
      },
      real.host());
  const auto reference = Reference::parse(proxy.host() + "/app:1");
  RegistryClient client({false, {}, "ada:secret", {}});
  client.push(place.store, place.image, reference);
  client.pull(reference, place.other, Platform::host());
  CHECK(place.other.has(place.layer));
  REQUIRE(storage.asked().size() == 1);
  CHECK(storage.asked()[0].target == "/bucket?signature=x");
  CHECK(storage.asked()[0].headers.count("authorization") == 0);
  bool logged_in = false;
  for (const auto& asked : proxy.asked()) logged_in = logged_in || asked.headers.count("authorization") > 0;
  CHECK(logged_in);
}

TEST_CASE("a blob that another repository of the registry has is mounted, not sent", "[registry]") {
  if (!have("docker-registry")) return;
  Place place;
  RegistryServer real;
  bool refuse_mounts = false;
  HttpServer proxy(
      [&](const Asked& asked) -> std::optional<Reply> {
        if (refuse_mounts && contains(asked.target, "mount=")) return reply(403);
        return std::nullopt;
      },
      real.host());
  RegistryOptions options;
  options.origins = place.dir.path() / "origins";
  RegistryClient(options).push(place.store, place.image, Reference::parse(proxy.host() + "/team/base:1"));
  const auto uploads = [&] {
    int out = 0;
    for (const auto& asked : proxy.asked()) out += asked.method == "PUT" && contains(asked.target, "/blobs/");
    return out;
  };
  const int before = uploads();
  CHECK(before == 2);
  // Another client, another day: the folder remembers.
  RegistryClient(options).push(place.store, place.image, Reference::parse(proxy.host() + "/team/app:1"));
  CHECK(uploads() == before);
  refuse_mounts = true;
  RegistryClient(options).push(place.store, place.image, Reference::parse(proxy.host() + "/team/third:1"));
  CHECK(uploads() == before + 2);
  CHECK(RegistryClient({}).resolve(Reference::parse(proxy.host() + "/team/app:1")).digest ==
        place.image.digest);
  CHECK(RegistryClient({}).resolve(Reference::parse(proxy.host() + "/team/third:1")).digest ==
        place.image.digest);
}

TEST_CASE("a second push sends nothing", "[registry]") {
  if (!have("docker-registry")) return;
  Place place;
  RegistryServer real;
  HttpServer proxy([](const Asked&) -> std::optional<Reply> { return std::nullopt; }, real.host());
  const auto reference = Reference::parse(proxy.host() + "/app:1");
  RegistryClient({}).push(place.store, place.image, reference);
  const auto before = proxy.asked().size();
  RegistryClient({}).push(place.store, place.image, reference);
  const auto asked = proxy.asked();
  for (auto i = before; i < asked.size(); ++i)
    CHECK((asked[i].method == "HEAD" || asked[i].target == "/v2/"));
}
