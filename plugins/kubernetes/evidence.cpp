#include "plugins/kubernetes/evidence.h"

#include <algorithm>

namespace slipway::kubernetes {

namespace {

constexpr int kLines = 20;
constexpr std::size_t kEvents = 6;
// Evidence is a help: it does not hold up the way back.
constexpr Millis kLimit{5'000}, kPatience{1'500};

std::string indent(const std::string& text) {
  std::string out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    out += "  " + text.substr(from, end - from) + "\n";
    from = end + 1;
  }
  return out;
}

std::string log_of(Api& api, const Place& place, const std::string& pod, const std::string& container,
                   bool previous) {
  Request request;
  request.path =
      fmt::format("/api/v1/namespaces/{}/pods/{}/log", url_encoded(place.name_space), url_encoded(pod));
  request.query = {{"container", container}, {"tailLines", std::to_string(kLines)}};
  if (previous) request.query["previous"] = "true";
  request.text = true;
  request.accept = "*/*";
  request.timeout = kLimit;
  request.patience = kPatience;
  try {
    auto text = api.call(std::move(request)).get<std::string>();
    // What a kubelet says in place of a log when it has just cleared that container away.
    return text.starts_with("unable to retrieve container logs for ") ? "" : text;
  } catch (const ApiError&) {
    return "";
  }
}

// Of the container that ended: a running one is the next try, which as a rule has said the same.
std::string last_words(Api& api, const Place& place, const std::string& pod, const json& container) {
  const auto name = container.value("name", "");
  const bool restarted =
      container.contains("/state/running"_json_pointer) && container.value("restartCount", 0) > 0;
  const auto lines = log_of(api, place, pod, name, restarted);
  return lines.empty() ? log_of(api, place, pod, name, !restarted) : lines;
}

std::string ending_of(const json& container) {
  for (const char* at : {"/state/terminated", "/lastState/terminated"}) {
    const json::json_pointer pointer(at);
    if (!container.contains(pointer)) continue;
    const auto& ended = container.at(pointer);
    auto out = fmt::format("{}: exits with code {}", container.value("name", ""), ended.value("exitCode", 0));
    if (const auto reason = ended.value("reason", ""); !reason.empty() && reason != "Error")
      out += fmt::format(" ({})", reason);
    if (const auto message = ended.value("message", ""); !message.empty()) out += ": " + message;
    return out + fmt::format("; {} restart{}\n", container.value("restartCount", 0),
                             container.value("restartCount", 0) == 1 ? "" : "s");
  }
  return "";
}

}  // namespace

std::vector<std::string> events_of(Api& api, const Place& place, const std::string& kind,
                                   const std::string& name) {
  Request request;
  request.path = fmt::format("/api/v1/namespaces/{}/events", url_encoded(place.name_space));
  request.query["fieldSelector"] = fmt::format("involvedObject.kind={},involvedObject.name={}", kind, name);
  request.timeout = kLimit;
  request.patience = kPatience;
  json list;
  try {
    list = api.call(std::move(request));
  } catch (const ApiError& e) {
    return {"events cannot be read: " + e.message()};
  }
  auto items = list.value("items", json::array());
  const auto time = [](const json& event) {
    for (const char* key : {"lastTimestamp", "eventTime", "firstTimestamp"})
      if (event.contains(key) && event[key].is_string()) return event[key].get<std::string>();
    return std::string();
  };
  std::stable_sort(items.begin(), items.end(),
                   [&](const json& a, const json& b) { return time(a) < time(b); });
  std::vector<std::string> out;
  for (const auto& event : items) {
    if (event.value("type", "") != "Warning") continue;
    const auto count =
        event.contains("count") && event["count"].is_number_integer() ? event["count"].get<int>() : 1;
    out.push_back(fmt::format("{}{}: {}", event.value("reason", ""),
                              count > 1 ? fmt::format(" ({} times)", count) : "",
                              event.value("message", "")));
  }
  if (out.size() > kEvents) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(kEvents));
  return out;
}

std::string evidence_of(Api& api, const Place& place, const std::string& pod) {
  std::string out;
  std::optional<json> object;
  try {
    object = api.find(
        fmt::format("/api/v1/namespaces/{}/pods/{}", url_encoded(place.name_space), url_encoded(pod)));
  } catch (const ApiError& e) {
    return fmt::format("pod {} cannot be looked at: {}\n", pod, e.message());
  }
  if (!object) return fmt::format("pod {} is gone\n", pod);
  for (const char* list : {"/status/initContainerStatuses", "/status/containerStatuses"}) {
    const json::json_pointer at(list);
    if (!object->contains(at)) continue;
    for (const auto& container : object->at(at)) {
      out += ending_of(container);
      const auto lines = last_words(api, place, pod, container);
      if (!lines.empty()) out += fmt::format("last lines of {}:\n{}", pod, indent(lines));
    }
  }
  const auto events = events_of(api, place, "Pod", pod);
  if (!events.empty()) {
    out += "events:\n";
    for (const auto& event : events) out += "  " + event + "\n";
  }
  return out;
}

}  // namespace slipway::kubernetes
