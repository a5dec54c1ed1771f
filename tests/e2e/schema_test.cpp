// `slipway schema` as an editor uses it: what the templates hold is valid by it, what is wrong is not.
#include <catch2/catch.hpp>

#include "base/diagnostics.h"
#include "support/slipway.h"
#include "sys/yaml_reader.h"

using namespace slipway;
using namespace slipway::test;
using json = nlohmann::json;

namespace {

// The mistakes that another implementation of JSON Schema finds, one a line.
constexpr const char* kValidate = R"(
import json, sys, jsonschema
schema, spec = (json.load(open(path)) for path in sys.argv[1:3])
jsonschema.Draft7Validator.check_schema(schema)
for mistake in jsonschema.Draft7Validator(schema).iter_errors(spec):
    print("/".join(map(str, mistake.absolute_path)) + ": " + mistake.message)
)";

struct Editor {
  User user;
  Editor() {
    const auto schema = user.slipway({"schema"});
    REQUIRE(schema.code == 0);
    user.write("schema.json", schema.out);
  }
  std::string mistakes(const std::string& yaml) const {
    Diagnostics diagnostics;
    const auto root = read_yaml(yaml, "slipway.yaml", diagnostics);
    REQUIRE_FALSE(diagnostics.has_errors());
    user.write("spec.json", to_json(*root).dump());
    Command command;
    command.argv = {"python3", "-c", kValidate, user.dir() / "schema.json", user.dir() / "spec.json"};
    return run_capture(command);
  }
};

bool have_jsonschema() {
  if (!have("python3")) return false;
  Command command;
  command.argv = {"python3", "-c", "import jsonschema"};
  const auto there = run_process(command, [](Stream, std::string_view) {}).status.ok();
  return there ? true : skip("python3-jsonschema is not installed");
}

}  // namespace

TEST_CASE("the specs of all templates are valid by the schema that editors are given", "[schema]") {
  if (!have_jsonschema()) return;
  const Editor editor;
  for (const auto& entry : fs::directory_iterator(fs::path(SLIPWAY_SOURCE_DIR) / "templates")) {
    INFO(entry.path());
    CHECK(editor.mistakes(read_file(entry.path() / "slipway.yaml")).empty());
  }
}

TEST_CASE("an editor underlines what check would call a mistake", "[schema]") {
  if (!have_jsonschema()) return;
  const Editor editor;
  auto shop = read_file(fs::path(SLIPWAY_SOURCE_DIR) / "templates/shop/slipway.yaml");
  const std::string publish = "publish: 8080";
  REQUIRE(shop.find(publish) != std::string::npos);
  CHECK_THAT(editor.mistakes(std::string(shop).replace(shop.find(publish), publish.size(), "pulbish: 8080")),
             Catch::StartsWith("services/gateway: ") && Catch::Contains("'pulbish'"));
  CHECK_THAT(editor.mistakes(std::string(shop).replace(shop.find(publish), publish.size(), "publish: many")),
             Catch::StartsWith("services/gateway/publish: 'many' is not of type 'integer'"));
}
