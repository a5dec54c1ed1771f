#include "support/fake_node.h"

#include <set>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "plugins/kubernetes/watch.h"
#include "support/logged_child.h"
#include "support/slipway.h"

namespace slipway::test {

namespace {

using kubernetes::Api;
using kubernetes::Request;
using nlohmann::json;

std::string now_text() {
  return format_utc(now_micros()).substr(0, 19) + "Z";
}

// What a kubelet tells: each pod's status by the variable BEHAVE of its first container.
class Kubelet {
 public:
  Kubelet(std::string address, int log_port) : address_(std::move(address)), log_port_(log_port) {}

  void run(const kubernetes::Connection& connection, std::stop_token stop) {
    try {
      Api api(connection, stop);
      register_node(api);
      bool news = false;
      kubernetes::Watch pods(api, "/api/v1/pods", {{"fieldSelector", "spec.nodeName=fake"}},
                             [&] { news = true; });
      for (;;) {
        if (std::exchange(news, false))
          for (const auto& [_, pod] : pods.objects()) look_after(api, pod);
        if (now_micros() >= next_beat_) beat(api);
        api.poll(Millis(200));
        for (auto it = due_.begin(); it != due_.end() && it->first <= now_micros(); it = due_.erase(it)) {
          patch(api, it->second.first, it->second.second);
        }
      }
    } catch (const Error& e) {
      if (e.code() != ExitCode::interrupted) fmt::print(stderr, "the test's node: {}\n", e.str());
    }
  }

  void register_node(Api& api) const {
    Request post;
    post.method = "POST";
    post.path = "/api/v1/nodes";
    post.body = {{"apiVersion", "v1"},
                 {"kind", "Node"},
                 {"metadata", {{"name", "fake"}, {"labels", {{"kubernetes.io/hostname", "fake"}}}}}};
    api.call(post);
    patch_status(api, all_of_it());
  }

  // A cluster's controllers hold a node that is silent for 40 s for lost.
  void beat(Api& api) {
    patch_status(api, {{"conditions", ready()}});
    next_beat_ = now_micros() + 10'000'000;
  }

  static json ready() {
    return {{{"type", "Ready"},
             {"status", "True"},
             {"reason", "KubeletReady"},
             {"lastHeartbeatTime", now_text()},
             {"lastTransitionTime", now_text()}}};
  }

  json all_of_it() const {
    const json resources = {
        {"cpu", "64"}, {"memory", "256Gi"}, {"pods", "1000"}, {"ephemeral-storage", "100Gi"}};
    return {{"addresses", {{{"type", "InternalIP"}, {"address", address_}}}},
            {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", log_port_}}}}},
            {"capacity", resources},
            {"allocatable", resources},
            {"conditions", ready()}};
  }

  static void patch_status(Api& api, const json& status) {
    Request request;
    request.method = "PATCH";
    request.path = "/api/v1/nodes/fake/status";
    request.content_type = "application/merge-patch+json";
    request.body = {{"status", status}};
    api.call(request);
  }

  static std::string behaviour(const json& pod) {
    for (const auto& one : pod.value("/spec/containers/0/env"_json_pointer, json::array()))
      if (one.value("name", "") == "BEHAVE") return one.value("value", "");
    return "";
  }

  void look_after(Api& api, const json& pod) {
    const auto uid = pod.value("/metadata/uid"_json_pointer, "");
    const auto path =
        fmt::format("/api/v1/namespaces/{}/pods/{}", pod.value("/metadata/namespace"_json_pointer, ""),
                    pod.value("/metadata/name"_json_pointer, ""));
    if (pod.contains("/metadata/deletionTimestamp"_json_pointer)) {
      if (!removed_.insert(uid).second) return;
      Request request;
      request.method = "DELETE";
      request.path = path;
      request.body = {{"gracePeriodSeconds", 0}};
      api.start(std::move(request), [](kubernetes::Answer) {});
      return;
    }
    if (!started_.insert(uid).second) return;
    const auto name = pod.value("/spec/containers/0/name"_json_pointer, "");
    const auto how = behaviour(pod);
    const json running = {{"running", {{"startedAt", now_text()}}}};
    if (pod.contains("/metadata/labels/job-name"_json_pointer)) {
      const int code = how == "bad-migration" ? 1 : 0;
      auto end = status_of(name,
                           {{"terminated",
                             {{"exitCode", code},
                              {"reason", code ? "Error" : "Completed"},
                              {"startedAt", now_text()},
                              {"finishedAt", now_text()}}}},
                           false, 0);
      end["status"]["phase"] = code ? "Failed" : "Succeeded";
      patch(api, path, status_of(name, running, true, 0));
      later(300, path, end);
    } else if (how == "bad-image") {
      patch(api, path,
            status_of(name, {{"waiting", {{"reason", "ErrImagePull"}, {"message", "manifest unknown"}}}},
                      false, 0));
      later(700, path,
            status_of(name,
                      {{"waiting", {{"reason", "ImagePullBackOff"}, {"message", "Back-off pulling image"}}}},
                      false, 0));
    } else if (how == "crash" || how == "flap") {
      const json ended = {
          {"terminated",
           {{"exitCode", 3}, {"reason", "Error"}, {"startedAt", now_text()}, {"finishedAt", now_text()}}}};
      for (int i = 0; i < (how == "flap" ? 1 : 4); ++i)
        later(200 * (i + 1), path,
              status_of(name,
                        {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", "back-off restarting"}}}},
                        false, i + 1, ended));
      if (how == "flap") later(600, path, status_of(name, running, true, 1, ended));
    } else if (how == "wrong-arch") {
      patch(api, path,
            status_of(
                name,
                {{"waiting", {{"reason", "RunContainerError"}, {"message", "exec /app: exec format error"}}}},
                false, 1));
    } else if (how == "never-ready") {
      patch(api, path, status_of(name, running, false, 0));
    } else if (how == "late-crash") {
      patch(api, path, status_of(name, running, true, 0));
      later(1'500, path,
            status_of(name, running, false, 3, {{"terminated", {{"exitCode", 139}, {"reason", "Error"}}}}));
    } else {
      if (how == "slow") {
        patch(api, path, status_of(name, running, false, 0));
        later(1'500, path, status_of(name, running, true, 0));
      } else {
        patch(api, path, status_of(name, running, true, 0));
      }
    }
  }

  static json status_of(const std::string& container, const json& state, bool ready, int restarts,
                        const json& last = nullptr) {
    json one = {{"name", container}, {"image", "x"},   {"imageID", ""},
                {"state", state},    {"ready", ready}, {"restartCount", restarts},
                {"started", ready}};
    one["lastState"] = last.is_null() ? json::object() : last;
    json conditions = json::array();
    for (const char* type : {"Initialized", "PodScheduled"})
      conditions.push_back({{"type", type}, {"status", "True"}});
    for (const char* type : {"Ready", "ContainersReady"})
      conditions.push_back(
          {{"type", type}, {"status", ready ? "True" : "False"}, {"lastTransitionTime", now_text()}});
    return {{"status",
             {{"phase", state.contains("running") ? "Running" : "Pending"},
              {"startTime", now_text()},
              {"conditions", conditions},
              {"containerStatuses", {one}}}}};
  }

  void later(std::int64_t ms, const std::string& path, json body) {
    due_.emplace(now_micros() + ms * 1000, std::pair{path, std::move(body)});
  }

  void patch(Api& api, const std::string& path, const json& body) {
    Request request;
    request.method = "PATCH";
    request.path = path + "/status";
    request.content_type = "application/strategic-merge-patch+json";
    request.body = body;
    // An address of its own: a Service counts pods of one address once.
    const auto number = std::hash<std::string>()(path);
    request.body["status"]["podIP"] =
        fmt::format("10.{}.{}.{}", number % 100 + 1, number / 100 % 250, number / 25'000 % 250 + 1);
    // A pod may be gone: then there is nothing to tell. Others are told later, when the server was busy.
    api.start(std::move(request), [this, path, body](kubernetes::Answer answer) {
      if (answer.error && answer.error->status != 404) later(300, path, body);
    });
  }

  const std::string address_;
  const int log_port_;
  std::int64_t next_beat_ = 0;
  std::set<std::string> started_, removed_;
  std::multimap<std::int64_t, std::pair<std::string, json>> due_;
};

}  // namespace

struct FakeNode::Impl {
  std::optional<Child> logs;
  std::jthread thread;
};

FakeNode::FakeNode(const kubernetes::Connection& connection, const std::string& address, const fs::path& dir)
    : impl_(std::make_unique<Impl>()) {
  const int log_port = free_port();
  impl_->logs.emplace(start_logged(
      dir, "logs",
      {"python3", (fs::path(SLIPWAY_SOURCE_DIR) / "tests/support/kubernetes/kubelet_logs.py").string(),
       address, std::to_string(log_port), "server.crt", "server.key"}));
  impl_->thread = std::jthread([connection, address, log_port](std::stop_token stop) {
    Kubelet(address, log_port).run(connection, stop);
  });
}

FakeNode::~FakeNode() = default;

}  // namespace slipway::test
