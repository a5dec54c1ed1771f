// A program that runs beside a test, with what it says in a file.
#pragma once
#include <string>
#include <vector>

#include "sys/process.h"

namespace slipway::test {

// Started in `dir`; its output is in dir/NAME.log.
Child start_logged(const fs::path& dir, const std::string& name, const std::vector<std::string>& argv);

}  // namespace slipway::test
