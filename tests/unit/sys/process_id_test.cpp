// A process and its number, which others get later.
#include "sys/process_id.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include "sys/process.h"

using namespace slipway;

TEST_CASE("a process is known by its number and its start", "[process]") {
  const ProcessId self{::getpid(), start_of(::getpid())};
  CHECK(is_alive(self));
  CHECK_FALSE(is_alive({self.pid, self.start + 1}));
  CHECK(start_of(0) == 0);
  CHECK_FALSE(is_alive({}));
}

TEST_CASE("one that ends while it is looked at is not alive, and that is all", "[process]") {
  Command command;
  command.argv = {"true"};
  for (int i = 0; i < 200; ++i) {
    Child child(command);
    const ProcessId id{child.pid(), start_of(child.pid())};
    while (is_alive(id)) {
    }
    CHECK(child.wait_for(Millis(5'000)));
    CHECK_FALSE(is_alive(id));
  }
}
