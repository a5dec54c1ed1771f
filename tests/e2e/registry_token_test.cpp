// Registries that send to a login server for a token (distribution "Token Authentication"): a real registry
// that checks the tokens of a server of our own.
#include <catch2/catch.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "oci/layer.h"
#include "oci/registry_client.h"
#include "support/http_server.h"
#include "support/registry_server.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

std::string output_of(std::vector<std::string> argv, std::string input = {}) {
  Command command;
  command.argv = std::move(argv);
  command.input = std::move(input);
  return run_capture(command);
}

std::string base64(const std::string& bytes) {
  return output_of({"openssl", "base64", "-A"}, bytes);
}
std::string base64_url(const std::string& bytes) {
  auto out = base64(bytes);
  for (auto& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (out.ends_with('=')) out.pop_back();
  return out;
}

std::string decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Gives a token for what is asked to "ada:secret", and for pulling only to everybody else.
class LoginServer {
 public:
  LoginServer() : server_([this](const Asked& asked) { return answer(asked); }) {
    output_of({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
               "/CN=slipway test", "-keyout", key().string(), "-out", certificate().string()});
  }
  fs::path certificate() const { return dir_.path() / "cert.pem"; }
  std::string realm() const { return "http://" + server_.host() + "/token"; }
  std::vector<Asked> asked() const { return server_.asked(); }

 private:
  fs::path key() const { return dir_.path() / "key.pem"; }

  std::optional<Reply> answer(const Asked& asked) {
    const bool known = asked.headers.contains("authorization");
    Reply reply;
    if (known && asked.headers.at("authorization") != "Basic YWRhOnNlY3JldA==") {
      reply.status = 401;
      return reply;
    }
    reply.body = json{{"token", token(asked.target, known)}}.dump();
    return reply;
  }

  std::string token(const std::string& target, bool known) {
    json access = json::array();
    for (std::size_t at = 0; (at = target.find("scope=", at)) != std::string::npos;) {
      at += 6;
      const auto scope = decoded(target.substr(at, target.find('&', at) - at));
      const auto first = scope.find(':'), last = scope.rfind(':');
      json actions = json::array({"pull"});
      if (known && scope.substr(last).find("push") != std::string::npos) actions.push_back("push");
      access.push_back({{"type", "repository"},
                        {"name", scope.substr(first + 1, last - first - 1)},
                        {"actions", std::move(actions)}});
    }
    const auto now = now_micros() / 1'000'000;
    const auto der = output_of({"openssl", "x509", "-in", certificate().string(), "-outform", "DER"});
    const json header = {{"typ", "JWT"}, {"alg", "RS256"}, {"x5c", {base64(der)}}};
    const json claims = {{"iss", "slipway"},  {"sub", known ? "ada" : ""},
                         {"aud", "registry"}, {"exp", now + 300},
                         {"nbf", now - 10},   {"iat", now},
                         {"jti", "x"},        {"access", std::move(access)}};
    const auto body = base64_url(header.dump()) + "." + base64_url(claims.dump());
    return body + "." + base64_url(output_of({"openssl", "dgst", "-sha256", "-sign", key().string()}, body));
  }

  TempDir dir_{fs::temp_directory_path(), "slipway-login-"};
  HttpServer server_;
};

Descriptor small_image(Store& store, const std::string& content) {
  LayerWriter writer(store);
  Entry entry;
  entry.path = "greeting";
  writer.add_file(entry, std::string_view(content));
  const auto layer = writer.finish();
  ImageConfig config;
  config.diff_ids = {layer.diff_id};
  return store.put_image(config, {layer.descriptor});
}

// A registry whose challenge is `header`; whatever else is asked, it says no.
Error refusal(const std::string& header) {
  HttpServer server([&](const Asked& asked) -> std::optional<Reply> {
    Reply reply;
    reply.status = asked.target == "/v2/" ? 200 : 401;
    reply.headers["www-authenticate"] = header;
    return reply;
  });
  try {
    RegistryClient({false, {}, "ada:secret", {}}).resolve(Reference::parse(server.host() + "/app:1"));
  } catch (const Error& e) {
    return e;
  }
  return Error(ExitCode::ok, "no error");
}

}  // namespace

TEST_CASE("tokens are fetched for what is to be done, also for a mount", "[registry]") {
  if (!have("docker-registry") || !have("openssl")) return;
  LoginServer login;
  RegistryServer::Options options;
  options.token_realm = login.realm();
  options.token_certificate = login.certificate();
  RegistryServer server(options);
  TempDir dir(fs::temp_directory_path(), "slipway-token-");
  Store store(dir.path() / "store"), other(dir.path() / "other");
  const auto image = small_image(store, "hello");
  const auto reference = Reference::parse(server.host() + "/app:1");

  RegistryClient ada({false, {}, "ada:secret", {}});
  ada.push(store, image, reference);
  CHECK(ada.resolve(reference).digest == image.digest);
  ada.push(store, image, Reference::parse(server.host() + "/copy:1"));
  bool both = false;
  for (const auto& asked : login.asked())
    both = both || (asked.target.find("scope=repository%3Acopy%3Apull%2Cpush") != std::string::npos &&
                    asked.target.find("scope=repository%3Aapp%3Apull") != std::string::npos);
  CHECK(both);

  // Everybody may pull, nobody else may push.
  RegistryClient anyone({false, {}, R"({"auths":{}})", {}});
  CHECK(anyone.pull(reference, other, Platform::host()).digest == image.digest);
  const auto changed = small_image(store, "changed");
  try {
    anyone.push(store, changed, reference);
    FAIL("pushed without a login");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::auth);
    CHECK_THAT(e.str(), Catch::StartsWith(fmt::format("`{}` does not let you push to `app`", server.host())));
    CHECK(e.hint() == fmt::format("log in (docker login {}), or name a secret under `registry.credentials`",
                                  server.host()));
  }
  try {
    RegistryClient({false, {}, "ada:wrong", {}}).push(store, changed, reference);
    FAIL("pushed with a wrong login");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::auth);
    CHECK_THAT(e.str(),
               Catch::StartsWith(fmt::format("`{}` does not let `ada` push to `app`", server.host())));
    CHECK(e.str().find("wrong") == std::string::npos);
  }
}

TEST_CASE("a registry cannot send the login anywhere", "[registry]") {
  const auto link_local = refusal(R"(Bearer realm="http://169.254.169.254/token",service="x")");
  CHECK_THAT(link_local.message(),
             Catch::EndsWith("leads to `http://169.254.169.254:80`, which is not followed"));
  CHECK(link_local.code() == ExitCode::unavailable);
  const auto plain = refusal(R"(Bearer realm="http://login.example/token",service="x")");
  CHECK(plain.message() == "`http://login.example:80` would be asked without TLS");
  const auto user = refusal(R"(Bearer realm="https://login.example@evil.example/token")");
  CHECK_THAT(user.message(), Catch::EndsWith("sends to a login server that is no URL: "
                                             "`https://login.example@evil.example/token`"));
  CHECK(refusal(R"(Negotiate)").code() == ExitCode::auth);
  // A login server that leads on is not followed, and gets no further.
  HttpServer elsewhere([](const Asked&) -> std::optional<Reply> { return Reply{}; });
  HttpServer leading([&](const Asked&) -> std::optional<Reply> {
    Reply reply;
    reply.status = 302;
    reply.headers["location"] = "http://" + elsewhere.host() + "/";
    return reply;
  });
  const auto led = refusal(fmt::format(R"(Bearer realm="http://{}/token",service="x")", leading.host()));
  CHECK_THAT(led.message(), Catch::EndsWith("answers 302"));
  CHECK(elsewhere.asked().empty());
  // An endless token.
  HttpServer endless([](const Asked&) -> std::optional<Reply> {
    Reply reply;
    reply.body = R"({"token":")" + std::string(1u << 20, 'x') + R"("})";
    return reply;
  });
  const auto large = refusal(fmt::format(R"(Bearer realm="http://{}/token",service="x")", endless.host()));
  CHECK_THAT(large.message(), Catch::EndsWith("is larger than 131072 bytes"));
}
