// YAML streams as clusters' manifests are: several documents, read and written.
#include <catch2/catch.hpp>

#include "sys/yaml_reader.h"

using namespace slipway;

namespace {

std::vector<nlohmann::json> read_all(const std::string& text) {
  Diagnostics diagnostics;
  std::vector<nlohmann::json> out;
  for (const auto& node : read_yaml_stream(text, "k8s.yaml", diagnostics)) out.push_back(to_json(*node));
  INFO(diagnostics.render());
  CHECK_FALSE(diagnostics.has_errors());
  return out;
}

}  // namespace

TEST_CASE("a stream gives each of its documents, and empty ones are none", "[yaml]") {
  const auto documents =
      read_all("---\nkind: A\n---\n# only a comment\n---\nkind: B\nports: [1, \"2\"]\n...\n");
  REQUIRE(documents.size() == 2);
  CHECK(documents[0] == nlohmann::json{{"kind", "A"}});
  CHECK(documents[1] == nlohmann::json{{"kind", "B"}, {"ports", {1, "2"}}});
  CHECK(read_all("").empty());
}

TEST_CASE("an anchor ends with its document, and mistakes of every document have places", "[yaml]") {
  Diagnostics diagnostics;
  read_yaml_stream("a: &x 1\n---\nb: *x\n", "k8s.yaml", diagnostics);
  CHECK(diagnostics.has_errors());
  Diagnostics twice;
  read_yaml_stream("kind: A\n---\nkind: B\nkind: C\n", "k8s.yaml", twice);
  REQUIRE(twice.all().size() == 1);
  CHECK(twice.all()[0].where.str() == "k8s.yaml:4:1");
}

TEST_CASE("what is written reads back the same, texts that look like something else too", "[yaml]") {
  const nlohmann::ordered_json value = {
      {"kind", "ConfigMap"},
      {"words",
       {"yes",           "No",          "on",         "true",  "null", "~",      "",    "1",   "1e3",
        "0x1f",          "1:30",        "2024-01-01", " pad",  "a: b", "- dash", "#no", "'q'", "tab\tin",
        "multi\nline\n", "multi\n\n\n", "ü",          "{{x}}", "*a",   "&b",     "@c",  "%d"}},
      {"numbers", {0, -1, 2.5, 80}},
      {"flags", {true, false, nullptr}},
      {"empty", {{"list", nlohmann::ordered_json::array()}, {"map", nlohmann::ordered_json::object()}}},
      {"nested", {{{"name", "a"}, {"ports", {{{"port", 80}}}}}}}};
  const auto text = write_yaml(value);
  INFO(text);
  const auto back = read_all(text);
  REQUIRE(back.size() == 1);
  CHECK(back[0] == nlohmann::json::parse(value.dump()));
  CHECK(text.starts_with("kind: ConfigMap\n"));
}
