#include "plan/explain.h"

namespace slipway {

namespace {

constexpr std::size_t kMaxDifferences = 20;
constexpr std::size_t kMaxText = 80;

std::string short_text(const json& value) {
  std::string text = value.is_string() ? value.get<std::string>()
                                       : value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= kMaxText) return text;
  std::size_t cut = kMaxText;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return text.substr(0, cut) + "…";
}

struct Differences {
  json named = json::array();
  std::size_t more = 0;

  void add(const std::string& part, const json* before, const json* after) {
    if (named.size() >= kMaxDifferences) {
      ++more;
      return;
    }
    json d = {{"part", part}};
    if (before) d["before"] = short_text(*before);
    if (after) d["after"] = short_text(*after);
    named.push_back(std::move(d));
  }

  void compare(const std::string& part, const json& before, const json& after) {
    if (before == after) return;
    if (before.is_object() && after.is_object()) {
      for (const auto& [name, value] : before.items()) {
        const auto it = after.find(name);
        const auto inner = part.empty() ? name : part + "/" + name;
        if (it == after.end())
          add(inner, &value, nullptr);
        else
          compare(inner, value, *it);
      }
      for (const auto& [name, value] : after.items())
        if (!before.contains(name)) add(part.empty() ? name : part + "/" + name, nullptr, &value);
      return;
    }
    add(part, &before, &after);
  }
};

std::string text_of(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// "params/args/CC" → "args CC", "fingerprint/files/app.py" → "app.py", "version" → "plugin version".
std::string part_name(std::string part) {
  if (part.starts_with("params/")) part.erase(0, 7);
  if (part.starts_with("fingerprint/files/")) return part.substr(18);
  if (part.starts_with("fingerprint/")) part.erase(0, 12);
  if (part == "version") return "plugin version";
  if (part.starts_with("env/")) return "env " + part.substr(4);
  return part;
}

}  // namespace

json explain_difference(const std::string& before_parts, const std::string& after_parts,
                        const std::string& from_run) {
  const json before = json::parse(before_parts, nullptr, false);
  const json after = json::parse(after_parts, nullptr, false);
  Differences d;
  if (!before.is_discarded() && !after.is_discarded()) d.compare("", before, after);
  if (d.named.empty()) return {{"why", "gone"}, {"from", from_run}};
  json reason = {{"why", "changed"}, {"from", from_run}, {"differs", std::move(d.named)}};
  if (d.more) reason["more"] = d.more;
  return reason;
}

std::string summarize_reason(const json& reason) {
  if (!reason.is_object()) return {};
  const auto why = text_of(reason, "why");
  if (why == "first") return "first run";
  if (why == "off") return {};
  if (why == "refused") return "--no-cache";
  if (why == "same") return text_of(reason, "from").empty() ? "" : "from " + text_of(reason, "from");
  if (why == "done") return "done in " + text_of(reason, "from");
  if (why == "failed") return "failed last time";
  if (why == "gone") return "its outcome is no longer kept";
  if (why != "changed") return {};
  const auto differs = reason.find("differs");
  if (differs == reason.end() || !differs->is_array() || differs->empty()) return "changed";
  const auto& first = differs->front();
  std::string out = part_name(text_of(first, "part"));
  if (!first.contains("before"))
    out += " came";
  else if (!first.contains("after"))
    out += " went";
  else
    out += " changed";
  std::size_t more = differs->size() - 1;
  if (auto it = reason.find("more"); it != reason.end() && it->is_number()) more += it->get<std::size_t>();
  if (more) out += fmt::format(", {} more", more);
  return out;
}

std::vector<std::string> describe_reason(const json& reason) {
  std::vector<std::string> out;
  if (!reason.is_object()) return out;
  const auto differs = reason.find("differs");
  if (differs == reason.end() || !differs->is_array()) return out;
  for (const auto& d : *differs) {
    const auto name = part_name(text_of(d, "part"));
    if (!d.contains("before"))
      out.push_back(fmt::format("{}  (new) {}", name, text_of(d, "after")));
    else if (!d.contains("after"))
      out.push_back(fmt::format("{}  (gone, was {})", name, text_of(d, "before")));
    else
      out.push_back(fmt::format("{}  {} → {}", name, text_of(d, "before"), text_of(d, "after")));
  }
  if (auto it = reason.find("more"); it != reason.end() && it->is_number())
    out.push_back(fmt::format("and {} more", it->get<std::size_t>()));
  return out;
}

}  // namespace slipway
