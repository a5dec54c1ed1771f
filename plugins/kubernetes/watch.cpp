#include "plugins/kubernetes/watch.h"

namespace slipway::kubernetes {

namespace {

// The server ends each watch after so long; a connection that died silently is noticed soon after.
constexpr int kWatchSeconds = 20;
constexpr Millis kWatchLimit{28'000};
constexpr Millis kPause{250}, kLongestPause{8'000};
constexpr std::size_t kMaxLine = 16u << 20;

}  // namespace

struct Watch::Impl : std::enable_shared_from_this<Watch::Impl> {
  Impl(Api& a, std::string p, std::map<std::string, std::string> q, std::function<void()> c)
      : api(a), path(std::move(p)), query(std::move(q)), changed(std::move(c)) {}

  void list() {
    Request request;
    request.path = path;
    request.query = query;
    running = api.start(std::move(request), [self = shared_from_this()](Answer answer) {
      if (self->gone) return;
      self->running = 0;
      self->take_list(std::move(answer));
    });
  }

  void take_list(Answer answer) {
    if (answer.error) return failed(*answer.error, true);
    objects.clear();
    // Lists leave out of their items what they say themselves: "StatefulSetList".
    auto kind = answer.body.value("kind", "");
    if (kind.ends_with("List")) kind.resize(kind.size() - 4);
    for (auto& item : answer.body.value("items", json::array())) {
      item["kind"] = kind;
      item["apiVersion"] = answer.body.value("apiVersion", "");
      put(std::move(item));
    }
    version = answer.body.value("/metadata/resourceVersion"_json_pointer, "");
    listed = true;
    pause = kPause;
    changed();
    watch();
  }

  void put(json object) {
    auto name = object.value("/metadata/name"_json_pointer, "");
    objects[std::move(name)] = std::move(object);
  }

  void watch() {
    Request request;
    request.path = path;
    request.query = query;
    request.query["watch"] = "true";
    request.query["allowWatchBookmarks"] = "true";
    request.query["resourceVersion"] = version;
    request.query["timeoutSeconds"] = std::to_string(kWatchSeconds);
    request.timeout = kWatchLimit;
    line.clear();
    stale = false;
    request.on_stream = [self = shared_from_this()](std::string_view bytes) {
      if (!self->gone) self->take_bytes(bytes);
    };
    running = api.start(std::move(request), [self = shared_from_this()](Answer answer) {
      if (self->gone) return;
      self->running = 0;
      if (self->stale || (answer.error && answer.error->status == 410)) return self->relist(Millis(0));
      if (answer.error) return self->failed(*answer.error, false);
      self->watch();
    });
  }

  void take_bytes(std::string_view bytes) {
    line += bytes;
    if (line.size() > kMaxLine)
      throw Error(ExitCode::unavailable, "the API server sends an event without an end");
    std::size_t from = 0;
    for (std::size_t end; (end = line.find('\n', from)) != std::string::npos; from = end + 1)
      take_event(json::parse(line.begin() + static_cast<std::ptrdiff_t>(from),
                             line.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false));
    line.erase(0, from);
  }

  void take_event(json event) {
    if (!event.is_object() || !event.contains("object")) return;  // torn: the next watch sends it again
    const auto type = event.value("type", "");
    auto& object = event["object"];
    if (type == "ERROR") {
      stale = true;  // 410 Gone as a rule: what we know is too old to go on from
      return;
    }
    if (const auto now = object.value("/metadata/resourceVersion"_json_pointer, ""); !now.empty())
      version = now;
    pause = kPause;
    if (type == "BOOKMARK") return;
    if (type == "DELETED")
      objects.erase(object.value("/metadata/name"_json_pointer, ""));
    else
      put(std::move(object));
    changed();
  }

  void relist(Millis delay) {
    api.later(delay, [self = shared_from_this()] {
      if (!self->gone) self->list();
    });
  }

  void failed(const ApiError& why, bool listing) {
    if (why.status == 401 || why.status == 403 || why.status == 404) {
      error = why;
      changed();
      return;
    }
    // Listing was tried long enough by the Api; a watch that broke goes on where it was.
    if (listing && !listed) {
      error = why;
      changed();
      return;
    }
    const auto delay = pause;
    pause = std::min(pause * 2, kLongestPause);
    if (listing || why.status != 0) return relist(delay);
    api.later(delay, [self = shared_from_this()] {
      if (!self->gone) self->watch();
    });
  }

  Api& api;
  const std::string path;
  const std::map<std::string, std::string> query;
  const std::function<void()> changed;
  std::map<std::string, json> objects;
  std::optional<ApiError> error;
  std::string version, line;
  Millis pause = kPause;
  std::uint64_t running = 0;
  bool listed = false, stale = false, gone = false;
};

Watch::Watch(Api& api, std::string path, std::map<std::string, std::string> query,
             std::function<void()> changed)
    : impl_(std::make_shared<Impl>(api, std::move(path), std::move(query), std::move(changed))) {
  impl_->list();
}

Watch::~Watch() {
  impl_->gone = true;
  if (impl_->running) impl_->api.cancel(impl_->running);
}

bool Watch::listed() const {
  return impl_->listed;
}
const std::map<std::string, json>& Watch::objects() const {
  return impl_->objects;
}
const std::optional<ApiError>& Watch::error() const {
  return impl_->error;
}

}  // namespace slipway::kubernetes
