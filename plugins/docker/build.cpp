#include "plugins/docker/build.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <set>
#include <sstream>

#include "oci/reference.h"
#include "oci/registry_client.h"
#include "sys/base64.h"

namespace slipway::docker {

namespace {

constexpr std::size_t kLines = 20;

// The registries that FROM lines name, as far as they are told without arguments.
std::set<std::string> registries_of(const std::string& dockerfile) {
  std::set<std::string> out;
  std::istringstream lines(dockerfile);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::toupper(c); });
    if (word != "FROM") continue;
    while (words >> word && word.starts_with("--")) {
    }
    try {
      out.insert(oci::Reference::parse(word).registry);
    } catch (const Error&) {
      // A stage, a variable: not one whose registry is known here.
    }
  }
  return out;
}

// X-Registry-Config: base64url of {"https://HOST": {username, password}}.
std::string logins(const fs::path& context_dockerfile) {
  json out = json::object();
  for (const auto& registry : registries_of(read_file_if_exists(context_dockerfile).value_or(""))) {
    const auto found = oci::find_credentials(registry, "");
    if (found.empty()) continue;
    const auto key = registry == "docker.io" ? std::string("https://index.docker.io/v1/") : registry;
    if (found.username == "<token>")
      out[key] = {{"identitytoken", found.password.reveal()}};
    else
      out[key] = {{"username", found.username}, {"password", found.password.reveal()}};
  }
  if (out.empty()) return "";
  auto text = base64_encode(out.dump());
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

class Reader {
 public:
  Reader(Built& into, Context& log) : into_(into), log_(log) {}

  void feed(std::string_view bytes) {
    rest_ += bytes;
    std::size_t from = 0;
    for (std::size_t end; (end = rest_.find('\n', from)) != std::string::npos; from = end + 1)
      line(rest_.substr(from, end - from));
    rest_.erase(0, from);
  }

  void finish() {
    line(rest_);
    for (const auto& text : last_) into_.last_lines += text;
  }

 private:
  void line(const std::string& text) {
    const auto message = json::parse(text, nullptr, false);
    if (!message.is_object()) return;
    if (message.contains("errorDetail") || message.contains("error")) {
      into_.failure = message.value("/errorDetail/message"_json_pointer, message.value("error", "it failed"));
    } else if (message.contains("aux") && message["aux"].is_object() && message["aux"].contains("ID")) {
      into_.image = message["aux"]["ID"].get<std::string>();
    } else if (message.contains("stream")) {
      const auto said = message["stream"].get<std::string>();
      log_.log(said);
      if (said.starts_with("Step ")) log_.progress({said.substr(0, said.find('\n')), 0, 0, ""});
      last_.push_back(said);
      if (last_.size() > kLines) last_.pop_front();
    } else if (message.contains("status")) {
      log_.progress({message["status"].get<std::string>(), 0, 0, ""});
    }
  }

  Built& into_;
  Context& log_;
  std::string rest_;
  std::deque<std::string> last_;
};

}  // namespace

Built build(oci::EngineApi& api, const BuildRequest& request, const fs::path& context, Context& log,
            const fs::path& dockerfile) {
  oci::EngineRequest post;
  post.method = "POST";
  post.path = "/build";
  post.query = {{"dockerfile", request.dockerfile}, {"rm", "1"}, {"forcerm", "1"}, {"version", "1"}};
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) post.query[name] = value;
  };
  set("target", request.target);
  set("platform", request.platform);
  set("networkmode", request.network);
  if (!request.args.empty()) post.query["buildargs"] = json(request.args).dump();
  if (!request.labels.empty()) post.query["labels"] = json(request.labels).dump();
  if (request.pull) post.query["pull"] = "1";
  if (request.no_cache) post.query["nocache"] = "1";
  if (const auto config = logins(dockerfile); !config.empty()) post.headers["X-Registry-Config"] = config;
  auto file = std::make_shared<std::ifstream>(context, std::ios::binary);
  post.read_body = [file](char* buffer, std::size_t size) {
    file->read(buffer, static_cast<std::streamsize>(size));
    return static_cast<std::size_t>(file->gcount());
  };
  post.body_size = fs::file_size(context);
  post.content_type = "application/x-tar";
  post.timeout = Millis(0);
  Built out;
  Reader reader(out, log);
  post.on_stream = [&](std::string_view bytes) { reader.feed(bytes); };
  try {
    api.call(std::move(post));
  } catch (const oci::EngineError& e) {
    if (e.status != 400 && e.status != 500) throw;
    out.failure = e.message();  // a Dockerfile that it cannot read
  }
  reader.finish();
  if (out.image.empty() && out.failure.empty()) out.failure = "the engine's answer ends without an image";
  return out;
}

}  // namespace slipway::docker
