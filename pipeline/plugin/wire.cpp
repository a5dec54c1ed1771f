#include "plugin/wire.h"

namespace slipway::wire {

bool Lines::feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    if (pending_.size() + part.size() > kMaxLine) return false;
    if (end == std::string_view::npos) {
      pending_ += part;
      return true;
    }
    bytes.remove_prefix(end + 1);
    if (pending_.empty()) {
      on_line(part);
    } else {
      pending_ += part;
      on_line(std::exchange(pending_, {}));
    }
  }
  return true;
}

std::string Utf8Pieces::write(std::string_view bytes) {
  std::string text = std::exchange(held_, {}) + std::string(bytes);
  // Look back for the lead byte of a last character; if it wants more bytes than there are, hold it back.
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    if (length > back) {
      held_ = text.substr(text.size() - back);
      text.resize(text.size() - back);
    }
    break;
  }
  return text;
}

std::optional<json> parse(std::string_view line) {
  bool too_deep = false;
  auto parsed = json::parse(
      line,
      [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > kMaxDepth;
        return !too_deep;
      },
      false);
  if (parsed.is_discarded() || too_deep) return std::nullopt;
  return parsed;
}

std::string line(const json& message) {
  return message.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

json request(std::int64_t id, std::string_view method, json params) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
}
json notification(std::string_view method, json params) {
  return {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
}
json response(const json& id, json result) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

json failure(const json& id, Code code, const std::string& message, json data) {
  json error = {{"code", static_cast<int>(code)}, {"message", message}};
  if (!data.is_null()) error["data"] = std::move(data);
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}};
}

std::optional<int> common_protocol(const json& theirs) {
  if (!theirs.is_object()) return std::nullopt;
  const auto min = theirs.find("min"), max = theirs.find("max");
  if (min == theirs.end() || max == theirs.end() || !min->is_number_integer() || !max->is_number_integer())
    return std::nullopt;
  const auto highest = std::min<std::int64_t>(max->get<std::int64_t>(), kNewest);
  if (highest < kOldest || highest < min->get<std::int64_t>()) return std::nullopt;
  return static_cast<int>(highest);
}

json protocol_range() {
  return {{"min", kOldest}, {"max", kNewest}};
}

}  // namespace slipway::wire
