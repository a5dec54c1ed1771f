#include "base/suggest.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("the nearest word is suggested", "[base]") {
  const std::vector<std::string> keys{"steps", "images", "services", "tests"};
  CHECK(suggest("stpes", keys) == "steps");
  CHECK(suggest("Image", keys) == "images");
  CHECK(suggest("serivces", keys) == "services");
}

TEST_CASE("nothing is suggested for a word that is near none", "[base]") {
  CHECK_FALSE(suggest("kubernetes", {"steps", "images"}).has_value());
  CHECK_FALSE(suggest(std::string(10000, 'a'), {"steps"}).has_value());
}

TEST_CASE("without a near word the hint lists a short choice", "[base]") {
  CHECK(suggestion_hint("zzzz", {"local", "none"}) == "one of `local`, `none`");
  CHECK(suggestion_hint("locl", {"local", "none"}) == "did you mean `local`?");
  CHECK(suggestion_hint("zzzz", std::vector<std::string>(13, "x")).empty());
}
