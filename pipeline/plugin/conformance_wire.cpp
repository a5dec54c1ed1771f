// The checks line by line.
#include <poll.h>

#include "plugin/conformance.h"
#include "plugin/wire.h"
#include "sys/pipe.h"

namespace slipway {

namespace {

using Clock = std::chrono::steady_clock;

// A plugin's process, talked to by hand. Throws Error when it does not do what is waited for.
class Peer {
 public:
  Peer(const Command& program, Millis limit) : child_(program), limit_(limit) {}

  // Small enough for the pipe, whether it reads or not; a gone reader is seen when its answer is read.
  void say(const std::string& text) { write_to_pipe(child_.in(), text); }

  // The answer to a request; what else it says is passed over when it is a message.
  json ask(const std::string& method, json params) {
    const auto id = ++last_id_;
    say(wire::line(wire::request(id, method, std::move(params))));
    const auto deadline = Clock::now() + limit_;
    for (;;) {
      while (!messages_.empty()) {
        const json message = std::move(messages_.front());
        messages_.erase(messages_.begin());
        if (message.value("id", json()) == json(id) && !message.contains("method")) return message;
      }
      if (!read_until(deadline))
        throw Error(ExitCode::failed,
                    fmt::format("it did not answer `{}` within {}", method, format_duration(limit_)));
    }
  }

  json hello(json range = wire::protocol_range()) {
    return ask("initialize",
               {{"protocol", std::move(range)}, {"slipway", SLIPWAY_VERSION}, {"later", {1, 2}}});
  }

  ExitStatus leave() {
    child_.close_in();
    const auto deadline = Clock::now() + limit_;
    while (read_until(deadline, false)) {
    }
    if (const auto status = child_.wait_for(limit_)) return *status;
    throw Error(ExitCode::failed,
                fmt::format("it was still there {} after the end of its stdin", format_duration(limit_)));
  }

 private:
  bool read_until(Clock::time_point deadline, bool expected = true) {
    for (;;) {
      pollfd fds[] = {{out_open_ ? child_.out() : -1, POLLIN, 0}, {err_open_ ? child_.err() : -1, POLLIN, 0}};
      const auto left = std::chrono::ceil<Millis>(deadline - Clock::now()).count();
      if (!out_open_ || left <= 0 || ::poll(fds, 2, static_cast<int>(left)) == 0) return false;
      char buffer[65536];
      if (fds[1].revents && ::read(child_.err(), buffer, sizeof buffer) <= 0) err_open_ = false;
      if (!fds[0].revents) continue;
      const auto n = ::read(child_.out(), buffer, sizeof buffer);
      if (n <= 0) {
        out_open_ = false;
        if (!expected) return false;
        const auto status = child_.wait_for(limit_);
        throw Error(ExitCode::failed,
                    fmt::format("it ended instead of answering{}", status ? ": " + status->str() : ""));
      }
      const bool fits = lines_.feed({buffer, static_cast<std::size_t>(n)}, [&](std::string_view line) {
        const auto message = wire::parse(line);
        if (!message || !message->is_object() || message->value("jsonrpc", json()) != json("2.0"))
          throw Error(ExitCode::failed,
                      fmt::format("its stdout has a line that is no message: `{}`", line.substr(0, 80)));
        messages_.push_back(*message);
      });
      if (!fits) throw Error(ExitCode::failed, "it sent a line longer than 1 MiB");
      return true;
    }
  }

  Child child_;
  const Millis limit_;
  wire::Lines lines_;
  std::vector<json> messages_;
  std::int64_t last_id_ = 0;
  bool out_open_ = true, err_open_ = true;
};

std::string wants_unknown_method(Peer& peer) {
  const auto answer = peer.ask("no-such-method", json::object());
  if (!answer.contains("error")) return "it answered " + answer.dump();
  const auto code = answer["error"].value("code", json());
  return code == json(static_cast<int>(wire::unknown_method)) ? "" : "the code is " + code.dump();
}

}  // namespace

void check_wire(const Command& program, const OnCheck& on_check, const ConformanceLimits& limits) {
  const auto check = [&](const char* name, const std::function<std::string()>& body) {
    ConformanceCheck result;
    result.name = name;
    try {
      result.why = body();
    } catch (const Error& e) {
      result.why = e.str();
    }
    if (!result.why.empty()) result.result = ConformanceCheck::Result::failed;
    on_check(result);
    return result.why.empty();
  };
  if (!check("it answers `initialize` with all that is wanted, members it does not know notwithstanding",
             [&] {
               Peer peer(program, limits.answer);
               const auto answer = peer.hello();
               if (answer.contains("error")) return "it refused: " + answer["error"].dump();
               const auto result = answer.value("result", json());
               if (!wire::common_protocol(result.is_object() ? result.value("protocol", json()) : json()))
                 return std::string("its `protocol` holds no number that slipway speaks");
               wire::info_from_json(result);
               return std::string();
             }))
    return;
  check("it answers an unknown method with the error -32601", [&] {
    Peer peer(program, limits.answer);
    peer.hello();
    return wants_unknown_method(peer);
  });
  check("it goes on after an unknown notification, a cancel of nothing and an empty line", [&] {
    Peer peer(program, limits.answer);
    peer.hello();
    peer.say(wire::line(wire::notification("news", {{"id", 7}})));
    peer.say(wire::line(wire::notification("cancel", {{"id", 99}})));
    peer.say("\n");
    return wants_unknown_method(peer);
  });
  check("it goes on after a line that is no JSON", [&] {
    Peer peer(program, limits.answer);
    peer.hello();
    peer.say("this is no JSON\n");
    return wants_unknown_method(peer);
  });
  check("it says which protocol it speaks, or refuses, when there is no common one", [&] {
    Peer peer(program, limits.answer);
    const auto answer = peer.hello({{"min", 1000}, {"max", 1001}});
    if (answer.contains("error")) return std::string();
    const auto range = answer.at("result").value("protocol", json());
    const bool holds = range.is_object() && range.value("max", json()).is_number_integer() &&
                       range["max"].get<std::int64_t>() >= 1000;
    return std::string(holds ? "it claims to speak protocol 1000" : "");
  });
  check("it leaves with exit 0 when its stdin ends", [&] {
    Peer peer(program, limits.answer);
    peer.hello();
    const auto status = peer.leave();
    return status.ok() ? "" : status.str();
  });
}

}  // namespace slipway
