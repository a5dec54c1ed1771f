#include "plugin/child_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <csignal>

namespace slipway {

namespace {

constexpr std::size_t kMaxQueued = 8 << 20;   // bytes of log that wait for one call
constexpr std::size_t kMaxOutbox = 64 << 20;  // requests that the child has not read
constexpr std::size_t kKeptStderr = 4096;
constexpr std::size_t kShownLines = 10;
constexpr Millis kLeave{2000};  // from closing stdin, or stdout's end, to the end of the process

std::string shown(std::string_view line) {
  std::string out(line.substr(0, 80));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return line.size() > 80 ? out + "…" : out;
}

std::string last_lines(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::size_t from = text.size();
  for (std::size_t lines = 0; lines < kShownLines && from != std::string::npos; ++lines)
    from = from == 0 ? std::string::npos : text.rfind('\n', from - 1);
  return from == std::string::npos ? text : text.substr(from + 1);
}

}  // namespace

void Call::taken(std::size_t bytes) {
  queued_ -= bytes;
  queued_.notify_all();
}

void Call::close() {
  closed_ = true;
  channel.close();
  queued_ = 0;
  queued_.notify_all();
}

void Call::push(Message message) {
  if (const auto* log = std::get_if<Log>(&message)) {
    for (auto queued = queued_.load(); queued > kMaxQueued && !closed_; queued = queued_.load())
      queued_.wait(queued);
    queued_ += log->text.size();
  }
  channel.push(std::move(message));
}

ChildLink::ChildLink(const Command& command, std::string label) : label_(std::move(label)), child_(command) {
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) throw_errno("make an eventfd", errno);
  for (const int fd : {child_.in(), child_.out(), child_.err()})
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  io_ = std::thread([this] { io_loop(); });
}

ChildLink::~ChildLink() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (auto& [id, call] : calls_) call->close();
  }
  ::eventfd_write(wake_.get(), 1);
  io_.join();
}

std::shared_ptr<Call> ChildLink::start(std::string_view method, json params) {
  auto call = std::make_shared<Call>();
  call->method = method;
  const std::lock_guard lock(mutex_);
  call->id = next_id_++;
  auto line = wire::line(wire::request(call->id, method, std::move(params)));
  if (line.size() > wire::kMaxLine)
    throw Error(ExitCode::usage, fmt::format("the params for plugin `{}` are too large: {} bytes, and {} fit",
                                             label_, line.size(), wire::kMaxLine))
        .hint("put what is large into a file and name the file");
  if (ended_ || broken_) {
    Call::Answer answer;
    answer.error = broken_ ? *broken_ : ending();
    answer.died = true;
    call->channel.push(std::move(answer));
    return call;
  }
  calls_[call->id] = call;
  outbox_ += line;
  ::eventfd_write(wake_.get(), 1);
  return call;
}

void ChildLink::notify(std::string_view method, json params) {
  send(wire::line(wire::notification(method, std::move(params))));
}

void ChildLink::send(std::string line) {
  const std::lock_guard lock(mutex_);
  if (outbox_.size() > kMaxOutbox) return;  // it has not read for long; who waits for it ends it
  outbox_ += line;
  ::eventfd_write(wake_.get(), 1);
}

void ChildLink::abandon(const std::shared_ptr<Call>& call) {
  call->close();
}

void ChildLink::kill_group(int signal) {
  child_.kill_group(signal);
}

std::optional<Error> ChildLink::broken() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}

void ChildLink::io_loop() {
  // A write to a child that has gone must answer EPIPE, whatever the program does about SIGPIPE.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  try {
    while (out_open_) {
      bool writing = false;
      {
        const std::lock_guard lock(mutex_);
        if (closing_ || broken_) break;
        if (sending_.empty()) sending_ = std::exchange(outbox_, {});
        writing = !sending_.empty();
      }
      pollfd fds[] = {{child_.out(), POLLIN, 0},
                      {err_open_ ? child_.err() : -1, POLLIN, 0},
                      {writing ? child_.in() : -1, POLLOUT, 0},
                      {wake_.get(), POLLIN, 0}};
      if (::poll(fds, 4, -1) < 0 && errno != EINTR) throw_errno("talk to a plugin", errno);
      if (fds[3].revents) {
        eventfd_t count;
        ::eventfd_read(wake_.get(), &count);
      }
      if (fds[2].revents) write_in();
      if (fds[1].revents) read_err();
      if (fds[0].revents) read_out();
    }
  } catch (const Error& e) {
    break_off(e);
  } catch (const std::exception& e) {
    break_off(Error(ExitCode::internal, fmt::format("internal error: {}", e.what())));
  }
  finish();
}

void ChildLink::write_in() {
  const auto n = ::write(child_.in(), sending_.data(), sending_.size());
  if (n > 0)
    sending_.erase(0, static_cast<std::size_t>(n));
  else if (errno != EAGAIN && errno != EINTR)
    sending_.clear();  // EPIPE: it listens no more; the end of its stdout tells the rest
}

void ChildLink::read_out() {
  char buffer[65536];
  const auto n = ::read(child_.out(), buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    out_open_ = false;
    return;
  }
  if (!lines_.feed({buffer, static_cast<std::size_t>(n)}, [&](std::string_view line) { on_line(line); }))
    break_off(Error(ExitCode::unavailable,
                    fmt::format("plugin `{}` sent a line longer than {} bytes", label_, wire::kMaxLine))
                  .hint("large results belong into files: send their paths"));
}

void ChildLink::read_err() {
  char buffer[65536];
  const auto n = ::read(child_.err(), buffer, sizeof buffer);
  if (n > 0)
    note_stderr({buffer, static_cast<std::size_t>(n)});
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    err_open_ = false;
}

void ChildLink::note_stderr(std::string_view bytes) {
  said_ += bytes;
  if (said_.size() > 2 * kKeptStderr) said_.erase(0, said_.size() - kKeptStderr);
  // The process has one stderr and perhaps several calls: the oldest gets it.
  std::shared_ptr<Call> call;
  {
    const std::lock_guard lock(mutex_);
    if (!calls_.empty()) call = calls_.begin()->second;
  }
  if (call) call->push(Call::Log{std::string(bytes), true});
}

void ChildLink::on_line(std::string_view line) {
  ++line_number_;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return;
  }
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const auto message = wire::parse(line);
  if (!message || !message->is_object())
    return break_off(
        Error(ExitCode::unavailable, fmt::format("plugin `{}`: line {} of its stdout is no message: `{}`",
                                                 label_, line_number_, shown(line)))
            .hint("stdout is for messages: print to stderr, or send `log`"));
  const auto method = message->find("method");
  if (method == message->end()) return on_answer(*message);
  if (message->contains("id"))
    return send(
        wire::line(wire::failure((*message)["id"], wire::unknown_method, "slipway answers no requests")));
  if (method->is_string()) on_notification(*message);
}

void ChildLink::on_answer(const json& message) {
  const auto id = message.find("id");
  const auto error = message.find("error");
  if (id == message.end() || !id->is_number_integer()) {
    const auto said =
        error == message.end() ? Error(ExitCode::internal, "no id") : wire::error_from_json(*error);
    return break_off(Error(ExitCode::unavailable, fmt::format("plugin `{}` sent an answer without an id: {}",
                                                              label_, said.message())));
  }
  const auto result = message.find("result");
  if (result == message.end() && error == message.end())
    return break_off(Error(ExitCode::unavailable,
                           fmt::format("plugin `{}` answered request {} with neither `result` nor `error`",
                                       label_, id->dump())));
  std::shared_ptr<Call> call;
  bool asked = false;
  {
    const std::lock_guard lock(mutex_);
    const auto number = id->get<std::int64_t>();
    asked = number > 0 && number < next_id_;
    if (const auto it = calls_.find(number); it != calls_.end()) {
      call = std::move(it->second);
      calls_.erase(it);
    }
  }
  if (!call)
    return break_off(
        Error(ExitCode::unavailable, fmt::format("plugin `{}` answered request {}{}", label_, id->dump(),
                                                 asked ? " twice" : ", which nobody sent")));
  Call::Answer answer;
  if (error != message.end()) {
    answer.error = wire::error_from_json(*error);
    if (error->is_object()) {
      const auto code = error->find("code");
      if (code != error->end() && code->is_number_integer()) answer.code = code->get<int>();
    }
  } else {
    answer.result = *result;
  }
  call->push(std::move(answer));
}

void ChildLink::on_notification(const json& message) {
  const auto params = message.find("params");
  if (params == message.end() || !params->is_object()) return;
  const auto id = params->find("id");
  if (id == params->end() || !id->is_number_integer()) return;
  std::shared_ptr<Call> call;
  {
    const std::lock_guard lock(mutex_);
    const auto it = calls_.find(id->get<std::int64_t>());
    if (it == calls_.end()) return;  // late news of a call that has ended
    call = it->second;
  }
  const auto method = message["method"].get<std::string>();
  if (method == "log") {
    const auto text = params->find("text");
    const auto stream = params->find("stream");
    if (text != params->end() && text->is_string())
      call->push(Call::Log{text->get<std::string>(), stream != params->end() && *stream == "err"});
  } else if (method == "progress" || method == "event") {
    call->push(Call::Note{method, *params});
  }  // others: a newer peer may say more
}

void ChildLink::break_off(Error why) {
  const std::lock_guard lock(mutex_);
  if (!broken_) broken_ = std::move(why);
}

void ChildLink::finish() {
  child_.close_in();
  bool broken = false;
  {
    const std::lock_guard lock(mutex_);
    broken = broken_.has_value();
  }
  // The last words on stderr, and the exit status, come within moments of the end of stdout.
  const auto deadline = std::chrono::steady_clock::now() + kLeave;
  while (!broken && err_open_ && std::chrono::steady_clock::now() < deadline) {
    const auto left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now()).count();
    pollfd fd{child_.err(), POLLIN, 0};
    if (::poll(&fd, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) > 0) read_err();
  }
  if (broken || !child_.wait_for(Millis(std::max<std::int64_t>(
                    0, std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now()).count())))) {
    child_.kill_group(SIGKILL);
    child_.wait_for(kLeave);
  }
  std::map<std::int64_t, std::shared_ptr<Call>> left;
  Call::Answer answer;
  answer.died = true;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    left = std::exchange(calls_, {});
    answer.error = broken_ ? *broken_ : ending();
  }
  for (auto& [id, call] : left) call->push(answer);
}

Error ChildLink::ending() {
  const auto status = child_.poll();
  return Error(ExitCode::unavailable, fmt::format("plugin `{}` ended without an answer: {}", label_,
                                                  status ? status->str() : "still there"))
      .detail(last_lines(said_));
}

}  // namespace slipway
