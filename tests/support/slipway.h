// Running the slipway binary as a user does: a folder, arguments, and what came back.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/parts.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::test {

struct Ran {
  int code = 0;
  std::string out, err;
};

// A user of their own: an empty folder with a cache, a state and a home below it; everything goes with it.
class User {
 public:
  User();
  const fs::path& dir() const { return dir_.path(); }
  fs::path cache() const { return dir() / "cache"; }
  fs::path state() const { return dir() / "state"; }
  // Runs `slipway ARGS…` in dir()/cwd; the time limit fails the test rather than hanging it.
  Ran slipway(std::vector<std::string> args, const fs::path& cwd = ".", Millis limit = Millis(300'000)) const;
  Command command(std::vector<std::string> args, const fs::path& cwd = ".") const;
  void write(const fs::path& path, std::string_view content) const;  // below dir(); makes folders
  // Builds go to a cache that all tests and all runs of the suite share: base images take their time, and
  // content is content. For stories that are not about the cache.
  void share_cache();
  std::map<std::string, std::string> env;  // added to every run

 private:
  TempDir dir_;
};

// The built binary: beside the test program, or $SLIPWAY_BINARY.
fs::path slipway_binary();

// Waits until `done` answers true, looking again every few milliseconds; false when `limit` is over.
bool eventually(const std::function<bool()>& done, Millis limit = Millis(20'000));

// A port of 127.0.0.1 that nobody listens on now.
int free_port();

}  // namespace slipway::test
