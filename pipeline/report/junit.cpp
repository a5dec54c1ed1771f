#include "report/junit.h"

#include "run/json_text.h"

namespace slipway {

namespace {

std::string escaped(std::string_view bytes) {
  const std::string text = utf8_text(bytes);
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";  // an attribute would turn a newline into a space
        break;
      default:
        // XML 1.0 section 2.2: no other control characters.
        if (static_cast<unsigned char>(c) < 0x20 && c != '\t')
          out += "\xEF\xBF\xBD";
        else
          out += c;
    }
  }
  return out;
}

std::string text_of(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

double seconds_of(const json& object) {
  const auto it = object.find("ms");
  return it != object.end() && it->is_number() ? it->get<double>() / 1000.0 : 0;
}

struct Case {
  std::string name, group, file, message, output;
  double seconds = 0;
  Result result = Result::success;
};

Case case_of(const json& fact, const std::string& step) {
  Case c;
  c.name = text_of(fact, "name");
  c.group = text_of(fact, "class");
  if (c.group.empty()) c.group = text_of(fact, "suite");
  if (c.group.empty()) c.group = step;
  c.file = text_of(fact, "file");
  c.message = text_of(fact, "message");
  c.output = text_of(fact, "output");
  c.seconds = seconds_of(fact);
  c.result = result_from_string(text_of(fact, "result")).value_or(Result::error);
  return c;
}

Case case_of(const StepReport& step) {
  Case c;
  c.name = step.name;
  c.group = step.phase;
  c.file = step.where.file;
  c.message = step.message;
  c.output = step.detail;
  if (c.output.empty() && step.result != Result::success)
    for (const auto& line : step.last_lines) c.output += line + "\n";
  c.seconds = static_cast<double>(step.took.count()) / 1000.0;
  c.result = step.finished ? step.result : Result::error;
  if (!step.finished) c.message = "the run ended before it";
  return c;
}

// The element inside a test case that tells how it ended; empty for a success.
std::string ending(const Case& c) {
  const char* element = c.result == Result::success   ? nullptr
                        : c.result == Result::skip    ? "skipped"
                        : c.result == Result::failure ? "failure"
                                                      : "error";
  if (!element) return {};
  std::string out = fmt::format("      <{} message=\"{}\"", element, escaped(c.message));
  if (c.result != Result::skip) out += fmt::format(" type=\"{}\"", to_string(c.result));
  if (c.output.empty() || c.result == Result::skip) return out + "/>\n";
  return out + fmt::format(">{}</{}>\n", escaped(c.output), element);
}

std::string suite_xml(const std::string& name, const std::vector<Case>& cases, std::int64_t started) {
  std::size_t failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
  std::string body;
  for (const auto& c : cases) {
    failures += c.result == Result::failure;
    skipped += c.result == Result::skip;
    errors += c.result != Result::success && c.result != Result::failure && c.result != Result::skip;
    seconds += c.seconds;
    body += fmt::format("    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3f}\"", escaped(c.name),
                        escaped(c.group), c.seconds);
    if (!c.file.empty()) body += fmt::format(" file=\"{}\"", escaped(c.file));
    const auto inner = ending(c);
    body += inner.empty() ? "/>\n" : ">\n" + inner + "    </testcase>\n";
  }
  return fmt::format(
             "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" "
             "time=\"{:.3f}\" timestamp=\"{}\">\n",
             escaped(name), cases.size(), failures, errors, skipped, seconds, format_utc(started)) +
         body + "  </testsuite>\n";
}

}  // namespace

std::string junit_xml(const Report& report) {
  std::string suites;
  std::vector<Case> steps;
  for (const auto& step : report.steps) {
    std::vector<Case> cases;
    for (const auto& fact : step.tests)
      if (fact.is_object()) cases.push_back(case_of(fact, step.name));
    if (!cases.empty()) suites += suite_xml(step.name, cases, report.started);
    // A step that failed otherwise than by a red test (a crash, a timeout) must not look green.
    const bool told = std::any_of(cases.begin(), cases.end(), [](const Case& c) {
      return c.result == Result::failure || c.result == Result::error;
    });
    if (cases.empty() || (step.result != Result::success && !told)) steps.push_back(case_of(step));
  }
  if (!steps.empty()) suites += suite_xml("slipway", steps, report.started);
  return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" time=\"{:.3f}\">\n",
                     escaped(report.spec), static_cast<double>(report.took.count()) / 1000.0) +
         suites + "</testsuites>\n";
}

}  // namespace slipway
