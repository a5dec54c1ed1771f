#include "base/compact_json.h"

#include <catch2/catch.hpp>

using namespace slipway;
using nlohmann::json;

TEST_CASE("compact JSON is what the library itself writes", "[json]") {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  for (const json& value : {json(), json(true), json(-7), json(18446744073709551615u), json(0.1), json(1e300),
                            json(""), json("plain"), json(all), json("größe 🚢"), json("torn \xC3"),
                            json("\xFF\xFE"), json::array(), json::object(), json::binary({1, 2}),
                            json{{"b", {1, 2, {{"a\n", nullptr}}}}, {"ä", "x"}, {"", {}}}}) {
    const auto expected = value.dump(-1, ' ', false, json::error_handler_t::replace);
    INFO(expected);
    CHECK(compact_json(value) == expected);
  }
}
