#include "support/logged_child.h"

namespace slipway::test {

Child start_logged(const fs::path& dir, const std::string& name, const std::vector<std::string>& argv) {
  Command command;
  command.argv = {"sh", "-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1", "sh",
                  (dir / (name + ".log")).string()};
  command.argv.insert(command.argv.end(), argv.begin(), argv.end());
  command.cwd = dir;
  return Child(command);
}

}  // namespace slipway::test
