// A slipway plugin in C++: says hello to `name`. Needs nlohmann-json (apt-get install nlohmann-json3-dev):
//     c++ -std=c++17 -o hello hello.cpp
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

using json = nlohmann::json;

static const json kAbout = json::parse(R"({
  "protocol": {"min": 1, "max": 1}, "name": "hello", "version": "1", "summary": "Says hello.",
  "actions": [{
    "name": "greet", "summary": "Greets `name`.", "cacheable": true,
    "params": {"type": "object", "required": ["name"], "additionalProperties": false,
               "properties": {"name": {"type": "string", "minLength": 1}},
               "examples": [{"name": "World"}]},
    "outputs": {"type": "object", "required": ["greeting"], "properties": {"greeting": {"type": "string"}}}}]})");

// One object a line; flushed, since slipway waits for it.
static void send(json message) {
  message["jsonrpc"] = "2.0";
  std::cout << message.dump() << std::endl;
}

static json greet(const json& id, const json& params) {
  const auto name = params.at("name").get<std::string>();
  send({{"method", "log"}, {"params", {{"id", id}, {"text", "greeting " + name + "\n"}}}});
  return {{"ok", true}, {"outputs", {{"greeting", "Hello, " + name + "!"}}}};
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto request = json::parse(line, nullptr, false);
    if (!request.is_object() || !request.contains("id")) continue;  // a notification, or nothing we know
    const auto& id = request["id"];
    try {
      const auto method = request.at("method").get<std::string>();
      if (method == "initialize")
        send({{"id", id}, {"result", kAbout}});
      else if (method == "run")
        send({{"id", id}, {"result", greet(id, request.at("params").at("params"))}});
      else
        send({{"id", id}, {"error", {{"code", -32601}, {"message", "there is no method `" + method + "`"}}}});
    } catch (const std::exception& e) {
      send({{"id", id}, {"error", {{"code", -32000}, {"message", e.what()}, {"data", {{"exit", 70}}}}}});
    }
  }
}
