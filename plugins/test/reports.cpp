#include "plugins/test/reports.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "sys/files.h"

namespace slipway {

namespace {

constexpr std::size_t kMaxFiles = 1000, kMaxSize = 64 << 20;
constexpr int kMaxDepth = 8;

// Bytes that are no UTF-8 become U+FFFD: JSON has only text.
std::string utf8(const std::string& text) {
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

void tell(const TestCase& test, Context& context) {
  json fact = {{"name", utf8(test.name)}, {"result", test.result}, {"ms", test.ms}};
  const auto put = [&](const char* name, const std::string& text) {
    if (!text.empty()) fact[name] = utf8(text);
  };
  put("suite", test.suite);
  put("class", test.class_name);
  put("file", test.file);
  put("message", test.message);
  put("output", test.output);
  context.event("test.case", std::move(fact));
}

struct Collector {
  const fs::path& to;
  Context& context;
  Reports reports;

  void file(Fd fd, const fs::path& relative) {
    std::string name = relative.string();
    for (auto& c : name)
      if (c == '/') c = '-';
    // Opened already, without following a link: nobody can put another file in its place.
    const auto text = read_file(fmt::format("/proc/self/fd/{}", fd.get()), kMaxSize);
    make_dirs(to);
    write_file_atomic(to / name, text);
    reports.files.push_back(name);
    for (const auto& test : cases_of(text, name)) {
      tell(test, context);
      if (test.result == "success")
        ++reports.passed;
      else if (test.result == "skip")
        ++reports.skipped;
      else {
        ++reports.failed;
        if (reports.red.size() < 10) reports.red.push_back(test);
      }
    }
  }

  // A report that cannot be read is never taken for a green one.
  static std::vector<TestCase> cases_of(const std::string& text, const std::string& name) {
    try {
      return read_junit(text);
    } catch (const Error& e) {
      TestCase broken;
      broken.suite = "reports";
      broken.name = name;
      broken.result = "error";
      broken.message = e.message();
      return {broken};
    }
  }

  void folder(const fs::path& dir, const fs::path& relative, int depth) {
    if (depth > kMaxDepth) return;
    std::error_code error;
    std::vector<fs::path> names;
    for (const auto& entry : fs::directory_iterator(dir, error)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
      struct stat info {};
      if (::lstat((dir / name).c_str(), &info) != 0) continue;
      if (S_ISDIR(info.st_mode)) folder(dir / name, relative / name, depth + 1);
      if (!S_ISREG(info.st_mode) || name.extension() != ".xml" || reports.files.size() >= kMaxFiles) continue;
      Fd fd(::open((dir / name).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (fd && static_cast<std::size_t>(info.st_size) <= kMaxSize) file(std::move(fd), relative / name);
    }
  }
};

}  // namespace

Reports collect_reports(const fs::path& from, const fs::path& reports_dir, Context& context) {
  Collector collector{reports_dir, context, {}};
  collector.folder(from, "", 0);
  return std::move(collector.reports);
}

}  // namespace slipway
