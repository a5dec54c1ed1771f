#include "run/event.h"

#include <array>

#include "base/compact_json.h"
#include "base/error.h"
#include "base/utc.h"
#include "run/json_text.h"
#include "sys/base64.h"

namespace slipway {

namespace {

constexpr std::array<std::string_view, 6> kResults = {"success", "failure",      "error",
                                                      "timeout", "cancellation", "skip"};
constexpr std::array<std::string_view, 6> kFactKinds = {"artifact",   "test.case", "rollout",
                                                        "diagnostic", "cache",     "approval"};
// Members of every event; a fact's data cannot replace them.
constexpr std::array<std::string_view, 7> kEnvelope = {"v", "seq", "ts", "run", "step", "attempt", "type"};

json location_to_json(const Location& where) {
  return {{"file", where.file}, {"line", where.line}, {"column", where.column}, {"length", where.length}};
}

// An optional member of the right type, or the default: a reader ignores what it does not know.
std::string text_of(const json& object, const char* name) {
  auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}
std::int64_t number_of(const json& object, const char* name, std::int64_t otherwise = 0) {
  auto it = object.find(name);
  return it != object.end() && it->is_number_integer() ? it->get<std::int64_t>() : otherwise;
}
bool flag_of(const json& object, const char* name) {
  auto it = object.find(name);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}
json member_of(const json& object, const char* name, json otherwise) {
  auto it = object.find(name);
  return it != object.end() ? *it : std::move(otherwise);
}
std::vector<std::string> texts_of(const json& object, const char* name) {
  std::vector<std::string> out;
  for (const auto& item : member_of(object, name, json::array()))
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

Location location_from_json(const json& value) {
  Location where;
  if (!value.is_object()) return where;
  where.file = text_of(value, "file");
  where.line = static_cast<int>(number_of(value, "line"));
  where.column = static_cast<int>(number_of(value, "column"));
  where.length = static_cast<int>(number_of(value, "length", 1));
  return where;
}

Event::Body body_from_json(std::string_view type, const json& line, bool& known) {
  if (type == "run.started") {
    return RunStarted{text_of(line, "spec"),  text_of(line, "target"),
                      texts_of(line, "argv"), member_of(line, "git", json::object()),
                      text_of(line, "trace"), text_of(line, "ci")};
  }
  if (type == "run.plan")
    return RunPlan{member_of(line, "steps", json::array()), member_of(line, "edges", json::array())};
  if (type == "step.started") return StepStarted{};
  if (type == "step.progress") {
    return StepProgress{text_of(line, "text"), number_of(line, "current"), number_of(line, "total"),
                        text_of(line, "unit")};
  }
  if (type == "step.log") {
    const auto b64 = text_of(line, "b64");
    return StepLog{b64.empty() ? text_of(line, "text") : base64_decode(b64).value_or(""),
                   text_of(line, "stream") == "stderr"};
  }
  if (type == "cache" && text_of(line, "scope") == "step")
    return CacheDecision{flag_of(line, "hit"), text_of(line, "key"), member_of(line, "reason", nullptr)};
  if (type == "step.finished") {
    StepFinished f;
    f.result = result_from_string(text_of(line, "result")).value_or(Result::error);
    f.took = Millis(number_of(line, "ms"));
    f.exit = static_cast<int>(number_of(line, "exit"));
    f.cached = flag_of(line, "cached");
    f.ignored = flag_of(line, "ignored");
    f.message = text_of(line, "message");
    f.detail = text_of(line, "detail");
    f.hint = text_of(line, "hint");
    f.where = location_from_json(member_of(line, "where", nullptr));
    f.outputs = member_of(line, "outputs", json::object());
    return f;
  }
  if (type == "run.finished") {
    return RunFinished{result_from_string(text_of(line, "result")).value_or(Result::error),
                       static_cast<int>(number_of(line, "exit")), Millis(number_of(line, "ms")),
                       texts_of(line, "critical_path")};
  }
  if (is_fact_kind(type)) {
    json data = line;
    for (auto name : kEnvelope) data.erase(std::string(name));
    return Fact{std::string(type), std::move(data)};
  }
  known = false;
  return StepStarted{};
}

}  // namespace

std::string_view to_string(Result result) {
  return kResults[static_cast<std::size_t>(result)];
}

std::optional<Result> result_from_string(std::string_view word) {
  const auto it = std::find(kResults.begin(), kResults.end(), word);
  if (it == kResults.end()) return std::nullopt;
  return static_cast<Result>(it - kResults.begin());
}

bool is_fact_kind(std::string_view kind) {
  return std::find(kFactKinds.begin(), kFactKinds.end(), kind) != kFactKinds.end();
}

std::optional<ApprovalAsked> approval_asked(const Event& event) {
  const auto* fact = std::get_if<Fact>(&event.body);
  if (!fact || fact->kind != "approval" || text_of(fact->data, "state") != "asked") return std::nullopt;
  return ApprovalAsked{text_of(fact->data, "project"), text_of(fact->data, "environment"),
                       texts_of(fact->data, "by"), texts_of(fact->data, "lines")};
}

std::optional<ApprovalDecided> approval_decided(const Event& event) {
  const auto* fact = std::get_if<Fact>(&event.body);
  if (!fact || fact->kind != "approval") return std::nullopt;
  const auto state = text_of(fact->data, "state");
  if (state != "approved" && state != "denied" && state != "unanswerable") return std::nullopt;
  return ApprovalDecided{state, text_of(fact->data, "by"), text_of(fact->data, "at"),
                         text_of(fact->data, "how"), text_of(fact->data, "why")};
}

namespace {

// One object as text, member by member: an event is written by the thousand and never read here.
class Line {
 public:
  Line& text(std::string_view name, std::string_view value) {
    return append_json_text(member(name), value), *this;
  }
  Line& number(std::string_view name, std::int64_t value) {
    return member(name) += std::to_string(value), *this;
  }
  Line& flag(std::string_view name, bool value) { return member(name) += value ? "true" : "false", *this; }
  Line& value(std::string_view name, const json& value) { return append_json(member(name), value), *this; }
  std::string finish() { return std::move(out_ += "}\n"); }

 private:
  std::string& member(std::string_view name) {
    out_ += out_.empty() ? '{' : ',';
    append_json_text(out_, name);
    return out_ += ':';
  }
  std::string out_;
};

void write_body(Line& out, const RunStarted& b) {
  out.text("type", "run.started").text("trace", b.trace).text("spec", b.spec).value("git", b.git);
  out.text("target", b.environment).value("argv", b.argv).text("ci", b.ci);
}
void write_body(Line& out, const RunPlan& b) {
  out.text("type", "run.plan").value("steps", b.steps).value("edges", b.edges);
}
void write_body(Line& out, const StepStarted&) {
  out.text("type", "step.started");
}
void write_body(Line& out, const StepProgress& b) {
  out.text("type", "step.progress").text("text", utf8_text(b.text));
  if (b.total || b.current) out.number("current", b.current);
  if (b.total) out.number("total", b.total);
  if (!b.unit.empty()) out.text("unit", utf8_text(b.unit));
}
void write_body(Line& out, const StepLog& b) {
  out.text("type", "step.log").text("stream", b.error_stream ? "stderr" : "stdout");
  if (is_utf8(b.text))
    out.text("text", b.text);
  else
    out.text("b64", base64_encode(b.text));
}
void write_body(Line& out, const CacheDecision& b) {
  out.text("type", "cache").text("scope", "step").flag("hit", b.hit).text("key", b.key);
  if (!b.reason.is_null()) out.value("reason", b.reason);
}
void write_body(Line& out, const Fact& b) {
  out.text("type", b.kind);
  if (!b.data.is_object()) return;
  for (const auto& [name, value] : b.data.items())
    if (std::find(kEnvelope.begin(), kEnvelope.end(), name) == kEnvelope.end()) out.value(name, value);
}
void write_body(Line& out, const StepFinished& b) {
  out.text("type", "step.finished").text("result", to_string(b.result)).number("ms", b.took.count());
  if (b.exit) out.number("exit", b.exit);
  if (b.cached) out.flag("cached", true);
  if (b.ignored) out.flag("ignored", true);
  if (!b.message.empty()) out.text("message", utf8_text(b.message));
  if (!b.detail.empty()) out.text("detail", utf8_text(b.detail));
  if (!b.hint.empty()) out.text("hint", utf8_text(b.hint));
  if (b.where.known()) out.value("where", location_to_json(b.where));
  if (!b.outputs.empty()) out.value("outputs", b.outputs);
}
void write_body(Line& out, const RunFinished& b) {
  out.text("type", "run.finished").text("result", to_string(b.result)).number("exit", b.exit);
  out.number("ms", b.took.count()).value("critical_path", b.critical_path);
}

}  // namespace

std::string to_line(const Event& event) {
  Line out;
  out.number("v", 1).number("seq", static_cast<std::int64_t>(event.seq)).text("ts", format_utc(event.ts));
  out.text("run", event.run);
  if (!event.step.empty()) {
    out.text("step", event.step);
    if (event.attempt > 1) out.number("attempt", event.attempt);
  }
  std::visit([&](const auto& body) { write_body(out, body); }, event.body);
  return out.finish();
}

std::optional<Event> event_from_json(const json& line) {
  if (!line.is_object() || number_of(line, "v", -1) < 0 || !line.contains("seq") ||
      text_of(line, "type").empty())
    throw Error(ExitCode::usage, "this is no event of slipway");
  if (number_of(line, "v") != 1) {
    throw Error(ExitCode::usage, fmt::format("events of version {} are not known here", number_of(line, "v")))
        .hint("they were written by a newer slipway");
  }
  Event event;
  event.seq = static_cast<std::uint64_t>(number_of(line, "seq"));
  const auto ts = parse_utc(text_of(line, "ts"));
  if (!ts) throw Error(ExitCode::usage, "this is no event of slipway: `ts` is no time");
  event.ts = *ts;
  event.run = text_of(line, "run");
  event.step = text_of(line, "step");
  event.attempt = static_cast<int>(number_of(line, "attempt", 1));
  bool known = true;
  event.body = body_from_json(text_of(line, "type"), line, known);
  if (!known) return std::nullopt;
  return event;
}

}  // namespace slipway
