// The reports that a test left in $SLIPWAY_REPORTS.
#pragma once
#include "plugin/plugin.h"
#include "plugins/test/junit_reader.h"

namespace slipway {

namespace fs = std::filesystem;

struct Reports {
  std::vector<std::string> files;  // names in reports_dir
  std::int64_t passed = 0, failed = 0, skipped = 0;
  std::vector<TestCase> red;  // at most ten of the failed
};

// Copies the *.xml files of `from`, which a test wrote and may have filled with anything, to `reports_dir`,
// and tells every case as a "test.case" fact. Links and everything but regular files are left alone; at most
// 1,000 files of 64 MiB each. A file that is no JUnit report counts as a failed case that says so.
Reports collect_reports(const fs::path& from, const fs::path& reports_dir, Context& context);

}  // namespace slipway
