#include "plugin/serve.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "plugin/schema.h"
#include "plugin/wire.h"
#include "sys/fd.h"

namespace slipway {

namespace {

constexpr std::size_t kMaxLogPiece = 64 << 10;

// Whole lines, one writer at a time.
class Out {
 public:
  explicit Out(int fd) : fd_(fd) {}
  void send(const json& message) { send_line(wire::line(message)); }
  void send_line(const std::string& line) {
    const std::lock_guard lock(mutex_);
    for (std::size_t sent = 0; sent < line.size() && !gone_;) {
      const auto n = ::write(fd_, line.data() + sent, line.size() - sent);
      if (n > 0)
        sent += static_cast<std::size_t>(n);
      else if (errno == EAGAIN)
        wait();
      else if (errno != EINTR)
        gone_ = true;  // nobody listens; the end of stdin follows
    }
  }

 private:
  void wait() {
    pollfd fd{fd_, POLLOUT, 0};
    ::poll(&fd, 1, -1);
  }
  const int fd_;
  std::mutex mutex_;
  bool gone_ = false;  // guarded by mutex_
};

class WireContext : public Context {
 public:
  WireContext(json id, Out& out, std::stop_token stop) : id_(std::move(id)), out_(out), stop_(stop) {}
  void log(std::string_view text, bool error_stream) override {
    while (!text.empty()) {
      send((error_stream ? err_pieces_ : out_pieces_).write(text.substr(0, kMaxLogPiece)), error_stream);
      text.remove_prefix(std::min(text.size(), kMaxLogPiece));
    }
  }
  void progress(const Progress& progress) override {
    auto params = wire::to_json(progress);
    params["id"] = id_;
    out_.send(wire::notification("progress", std::move(params)));
  }
  void event(std::string_view kind, json data) override {
    out_.send(wire::notification("event", {{"id", id_}, {"kind", kind}, {"data", std::move(data)}}));
  }
  std::stop_token stop() const override { return stop_; }
  void finish() {
    send(out_pieces_.finish(), false);
    send(err_pieces_.finish(), true);
  }

 private:
  void send(std::string text, bool error_stream) {
    if (text.empty()) return;
    json params = {{"id", id_}, {"text", std::move(text)}};
    if (error_stream) params["stream"] = "err";
    out_.send(wire::notification("log", std::move(params)));
  }
  const json id_;
  Out& out_;
  std::stop_token stop_;
  wire::Utf8Pieces out_pieces_, err_pieces_;
};

class Server {
 public:
  Server(Plugin& plugin, int in, int out) : plugin_(plugin), in_(in), out_(out) {}

  void loop(std::stop_token stop) {
    const Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) throw_errno("make an eventfd", errno);
    const std::stop_callback on_stop(stop, [&] { ::eventfd_write(wake.get(), 1); });
    wire::Lines lines;
    char buffer[65536];
    for (;;) {
      pollfd fds[] = {{in_, POLLIN, 0}, {wake.get(), POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0 && errno != EINTR) throw_errno("read requests", errno);
      if (fds[1].revents) break;
      if (!fds[0].revents) continue;
      const auto n = ::read(in_, buffer, sizeof buffer);
      if (n == 0) break;
      if (n < 0 && errno != EINTR && errno != EAGAIN) throw_errno("read requests", errno);
      if (n < 0) continue;
      if (!lines.feed({buffer, static_cast<std::size_t>(n)}, [&](std::string_view line) { on_line(line); })) {
        out_.send(wire::failure(nullptr, wire::invalid_request,
                                fmt::format("a line is longer than {} bytes", wire::kMaxLine)));
        break;
      }
    }
    for (auto& job : jobs_) job->stop.request_stop();
    jobs_.clear();  // joins
  }

 private:
  struct Job {
    json id;
    std::stop_source stop;
    std::atomic<bool> done{false};
    std::jthread thread;
  };

  void on_line(std::string_view line) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    const auto message = wire::parse(line);
    if (!message) return out_.send(wire::failure(nullptr, wire::parse_error, "this line is no JSON"));
    const auto method = message->is_object() ? message->find("method") : message->end();
    if (!message->is_object() || method == message->end() || !method->is_string())
      return out_.send(wire::failure(nullptr, wire::invalid_request, "this is no request"));
    const auto id = message->find("id");
    const json params = message->value("params", json::object());
    if (id == message->end()) return on_notification(method->get<std::string>(), params);
    on_request(*id, method->get<std::string>(), params);
  }

  void on_notification(const std::string& method, const json& params) {
    if (method != "cancel" || !params.is_object() || !params.contains("id")) return;
    for (auto& job : jobs_)
      if (job->id == params["id"]) job->stop.request_stop();
  }

  void on_request(const json& id, const std::string& method, const json& params) {
    if (method == "initialize") {
      auto result = wire::to_json(plugin_.info());
      result["protocol"] = wire::protocol_range();
      agreed_ = params.is_object() && wire::common_protocol(params.value("protocol", json())).has_value();
      return out_.send(wire::response(id, std::move(result)));
    }
    if (method != "run" && method != "fingerprint" && method != "preview" && method != "undo")
      return out_.send(
          wire::failure(id, wire::unknown_method, fmt::format("there is no method `{}`", method)));
    if (!agreed_)
      return out_.send(wire::failure(id, wire::invalid_request, "`initialize` has not agreed on a protocol"));
    std::erase_if(jobs_, [](const auto& job) { return job->done.load(); });
    auto& job = *jobs_.emplace_back(std::make_unique<Job>());
    job.id = id;
    job.thread = std::jthread([this, &job, method, params] {
      WireContext context(job.id, out_, job.stop.get_token());
      auto answer = wire::line(answer_to(job.id, method, params, context));
      if (answer.size() > wire::kMaxLine)
        answer = wire::line(wire::failure(
            job.id,
            Error(ExitCode::internal, fmt::format("the answer is too large: {} bytes", answer.size()))));
      context.finish();
      out_.send_line(answer);
      job.done = true;
    });
  }

  json answer_to(const json& id, const std::string& method, const json& params, WireContext& context) {
    try {
      Invocation invocation;
      try {
        invocation = wire::invocation_from_json(params);
        const auto* action = plugin_.info().find(invocation.action);
        if (!action)
          throw Error(ExitCode::usage,
                      fmt::format("plugin `{}` has no action `{}`", plugin_.info().name, invocation.action));
        require_schema(invocation.params, action->params,
                       fmt::format("wrong params for `{}.{}`", plugin_.info().name, action->name));
        if (method == "preview" && !action->can_preview)
          throw Error(ExitCode::usage, fmt::format("`{}` has no preview", action->name));
        if (method == "undo" && !action->can_undo)
          throw Error(ExitCode::usage, fmt::format("`{}` has no undo", action->name));
      } catch (const Error& e) {
        auto answer = wire::failure(id, e);
        answer["error"]["code"] = static_cast<int>(wire::invalid_params);
        return answer;
      }
      if (method == "run") return wire::response(id, wire::to_json(plugin_.run(invocation, context)));
      if (method == "fingerprint") return wire::response(id, plugin_.fingerprint(invocation, context));
      if (method == "preview") return wire::response(id, plugin_.preview(invocation, context));
      return wire::response(
          id, wire::to_json(plugin_.undo(invocation, params.value("outputs", json::object()), context)));
    } catch (const Error& e) {
      return wire::failure(id, e);
    } catch (const std::exception& e) {
      return wire::failure(id, Error(ExitCode::internal, fmt::format("internal error: {}", e.what())));
    }
  }

  Plugin& plugin_;
  const int in_;
  Out out_;
  bool agreed_ = false;
  std::vector<std::unique_ptr<Job>> jobs_;  // the loop's
};

}  // namespace

void serve_plugin(Plugin& plugin, int in, int out, std::stop_token stop) {
  Server(plugin, in, out).loop(stop);
}

}  // namespace slipway
