// A place in a text the user wrote.
#pragma once
#include <string>

namespace slipway {

// Lines and columns count from 1; 0 means "unknown". Columns count Unicode code points, as editors do.
struct Location {
  std::string file;  // as the user would name it; empty when there is no file
  int line = 0;
  int column = 0;
  int length = 1;  // code points to underline

  bool known() const { return !file.empty(); }
  std::string str() const;  // "slipway.yaml:12:5"
  bool operator==(const Location&) const = default;
};

}  // namespace slipway
