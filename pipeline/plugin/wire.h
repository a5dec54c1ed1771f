// The plugin protocol (plugins/PROTOCOL.md): JSON-RPC 2.0, one object a line. What each message holds, both
// ways; who sends it and when is external's and serve's business.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "plugin/plugin.h"

namespace slipway::wire {

// The protocol numbers that this slipway speaks.
inline constexpr int kOldest = 1, kNewest = 1;
// Longest line, either way, without its newline.
inline constexpr std::size_t kMaxLine = 1 << 20;
// Deepest nesting of a message.
inline constexpr int kMaxDepth = 100;

// Codes of JSON-RPC errors; the first four are its own.
enum Code {
  parse_error = -32700,
  invalid_request = -32600,
  unknown_method = -32601,
  invalid_params = -32602,
  cannot_go_on = -32000,  // an Error; `data` holds the rest of it
};

// Bytes to lines. One thread.
class Lines {
 public:
  // Calls `on_line` for each whole line in order; false once a line is longer than kMaxLine.
  bool feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line);
  bool empty() const { return pending_.empty(); }

 private:
  std::string pending_;
};

// A text stream in pieces that are whole UTF-8, so that JSON can carry them: a character split over two
// writes is held back, what is no UTF-8 becomes U+FFFD later on. One thread.
class Utf8Pieces {
 public:
  std::string write(std::string_view bytes);
  std::string finish() { return std::exchange(held_, {}); }

 private:
  std::string held_;
};

// nullopt: no JSON, or nested deeper than kMaxDepth.
std::optional<json> parse(std::string_view line);
// One line with its newline; bytes that are no UTF-8 become U+FFFD.
std::string line(const json& message);

json request(std::int64_t id, std::string_view method, json params);
json notification(std::string_view method, json params);
json response(const json& id, json result);
json failure(const json& id, Code code, const std::string& message, json data = nullptr);
json failure(const json& id, const Error& error);

// The highest number that both speak; nullopt: none. `theirs` is {"min", "max"}.
std::optional<int> common_protocol(const json& theirs);
json protocol_range();

json to_json(const PluginInfo& info);
json to_json(const Invocation& invocation, bool with_secrets);
json to_json(const Outcome& outcome);
json to_json(const Progress& progress);

// Each throws Error(usage) naming the member at fault: "`actions[0].name` is missing". Members that are not
// known are ignored: a newer peer may say more.
PluginInfo info_from_json(const json& answer);
Invocation invocation_from_json(const json& params);
Outcome outcome_from_json(const json& answer);
Progress progress_from_json(const json& params);

// The Error that a JSON-RPC `error` member stands for.
Error error_from_json(const json& error);

}  // namespace slipway::wire
