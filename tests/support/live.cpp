#include "support/live.h"

#include <poll.h>

#include <catch2/catch.hpp>
#include <csignal>

namespace slipway::test {

void Live::signal(int number) {
  REQUIRE(::kill(child_.pid(), number) == 0);
}

int Live::end() {
  std::optional<ExitStatus> status;
  REQUIRE(eventually(
      [&] {
        read_on();  // or a full pipe would hold it up
        return (status = child_.poll()).has_value();
      },
      Millis(60'000)));
  return status->code;
}

bool Live::says(const std::string& word) {
  return eventually([&] {
    read_on();
    return said_.find(word) != std::string::npos;
  });
}

void Live::read_on() {
  for (const int stream : {child_.out(), child_.err()}) {
    pollfd fd{stream, POLLIN, 0};
    char buffer[65536];
    while (::poll(&fd, 1, 0) > 0) {
      const auto n = ::read(stream, buffer, sizeof buffer);
      if (n <= 0) break;
      said_.append(buffer, static_cast<std::size_t>(n));
    }
  }
}

}  // namespace slipway::test
