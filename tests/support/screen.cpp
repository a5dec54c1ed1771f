#include "support/screen.h"

#include <catch2/catch.hpp>

namespace slipway::test {

void Screen::write(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\n') {
      if (++row_ == lines_.size()) lines_.emplace_back();
      column_ = 0;
    } else if (c == '\r') {
      column_ = 0;
    } else if (c == '\x1b') {
      const auto from = i + 1;
      while (i + 1 < bytes.size() && !std::isalpha(static_cast<unsigned char>(bytes[i + 1]))) ++i;
      ++i;
      control(bytes.substr(from, i + 1 - from));
    } else {
      auto& line = lines_[row_];
      if (line.size() <= column_) line.resize(column_ + 1, ' ');
      line[column_++] = c;
    }
  }
}

void Screen::control(std::string_view sequence) {
  INFO("control sequence " << sequence);
  if (sequence == "[J") {
    lines_[row_].resize(std::min(lines_[row_].size(), column_));
    lines_.resize(row_ + 1);
  } else if (sequence.ends_with('A')) {
    const auto up = static_cast<std::size_t>(std::stoi(std::string(sequence.substr(1))));
    REQUIRE(up <= row_);
    row_ -= up;
  } else {
    REQUIRE((sequence.ends_with('m') || sequence == "[?2026h" || sequence == "[?2026l"));
  }
}

std::string Screen::text() const {
  std::string out;
  for (auto line : lines_) {
    while (line.ends_with(' ')) line.pop_back();
    out += line + "\n";
  }
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

std::size_t Screen::widest() const {
  std::size_t most = 0;
  for (const auto& line : lines_) most = std::max(most, line.size());
  return most;
}

}  // namespace slipway::test
