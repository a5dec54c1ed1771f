#include "sys/base64.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("base64 there and back, of any length and byte (RFC 4648 section 10)", "[base64]") {
  CHECK(base64_encode("") == "");
  CHECK(base64_encode("f") == "Zg==");
  CHECK(base64_encode("fo") == "Zm8=");
  CHECK(base64_encode("foobar") == "Zm9vYmFy");
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST_CASE("line breaks are passed over, and what is no base64 is none", "[base64]") {
  CHECK(base64_decode("Zm9v\nYmFy\n") == "foobar");
  CHECK(base64_decode("\n") == "");
  for (const char* text : {"Zg", "Zg=", "Zg$=", "====", "Z===", "Zg==Zg=="}) {
    INFO(text);
    CHECK(base64_decode(text) == std::nullopt);
  }
}
