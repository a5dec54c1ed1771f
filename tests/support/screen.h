// A small terminal: what the bytes that a console writes look like in the end.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::test {

// Understands text, newline, carriage return, "cursor up", "erase below", colours and mode 2026. Anything
// else fails the test. Endless height; lines do not wrap, so that a too long one shows.
class Screen {
 public:
  void write(std::string_view bytes);
  std::string text() const;    // all lines, without blanks at the ends
  std::size_t widest() const;  // bytes of the longest line

 private:
  void control(std::string_view sequence);
  std::vector<std::string> lines_{1};
  std::size_t row_ = 0, column_ = 0;
};

}  // namespace slipway::test
