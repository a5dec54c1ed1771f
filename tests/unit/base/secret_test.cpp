#include "base/secret.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("a secret is masked raw, in base64 at any alignment, URL-encoded and JSON-escaped", "[base]") {
  Masker masker;
  REQUIRE(masker.add(Secret("p@ss\"word/1")));
  CHECK(masker.mask("login p@ss\"word/1 ok") == "login *** ok");
  CHECK(masker.mask("q=p%40ss%22word%2F1") == "q=***");
  CHECK(masker.mask("{\"p\":\"p@ss\\\"word/1\"}") == "{\"p\":\"***\"}");
  // base64 of "p@ss\"word/1", and of "user:" and "us:" before it.
  for (const char* encoded : {"cEBzcyJ3b3JkLzE=", "dXNlcjpwQHNzIndvcmQvMQ==", "dXM6cEBzcyJ3b3JkLzE="}) {
    INFO(encoded);
    CHECK(masker.mask(encoded).find("***") != std::string::npos);
  }
}

TEST_CASE("each line of a key file is masked", "[base]") {
  Masker masker;
  masker.add(Secret("-----BEGIN-----\nabcdef\n-----END-----\n"));
  CHECK(masker.mask("x abcdef y") == "x *** y");
}

TEST_CASE("a secret too short to mask is refused", "[base]") {
  Masker masker;
  CHECK_FALSE(masker.add(Secret("abc")));
  CHECK(masker.mask("abc") == "abc");
}

TEST_CASE("a secret split over writes is masked, and nothing else is lost", "[base]") {
  Masker masker;
  masker.add(Secret("hunter22"));
  const std::string text = "before hunter22 hunt hunter22hunter2 end";
  const std::string expected = masker.mask(text);
  for (std::size_t chunk = 1; chunk < text.size(); ++chunk) {
    MaskStream stream(masker);
    std::string shown;
    for (std::size_t i = 0; i < text.size(); i += chunk) shown += stream.write(text.substr(i, chunk));
    shown += stream.finish();
    INFO("chunk " << chunk);
    CHECK(shown == expected);
  }
}

TEST_CASE("a secret that ends like it begins does not slip through the held back part", "[base]") {
  Masker masker;
  masker.add(Secret("aXXa"));
  MaskStream stream(masker);
  CHECK(stream.write("aXXa") + stream.finish() == "***");
}
