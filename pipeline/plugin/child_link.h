// The line to one plugin process: requests go out, answers and notifications come back to who asked. One
// thread does all reading and writing, so that a child that does not read can block nobody.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "base/channel.h"
#include "plugin/wire.h"
#include "sys/process.h"

namespace slipway {

// One request under way. Made by ChildLink, read by the thread that asked.
class Call {
 public:
  struct Log {
    std::string text;
    bool error_stream;
  };
  struct Note {  // progress or event
    std::string method;
    json params;
  };
  struct Answer {
    json result;
    std::optional<Error> error;  // the peer's, or why there will be no answer
    int code = 0;                // of the JSON-RPC error
    bool died = false;           // the process ended or was ended
  };
  struct Stop {};  // pushed by who wants the call to end
  using Message = std::variant<Log, Note, Answer, Stop>;

  std::int64_t id = 0;
  std::string method;
  Channel<Message> channel;

  // To be called by the reader for each Log it has taken.
  void taken(std::size_t bytes);

 private:
  friend class ChildLink;
  void close();                // nobody reads any more
  void push(Message message);  // waits while the reader is more than kMaxQueued bytes of log behind
  std::atomic<std::size_t> queued_{0};
  std::atomic<bool> closed_{false};
};

class ChildLink {
 public:
  // Starts the program. `label` names the plugin in messages.
  ChildLink(const Command& command, std::string label);
  // Closes stdin, which asks a plugin to leave; ends the group when it has not done so after `leave`.
  ~ChildLink();

  // Any thread. The request goes out; its answer is the last message of the call. Throws Error(usage) when
  // the request is longer than a line may be.
  std::shared_ptr<Call> start(std::string_view method, json params);
  void notify(std::string_view method, json params);
  // The call's messages are dropped from now on.
  void abandon(const std::shared_ptr<Call>& call);
  void kill_group(int signal);

  bool alive() const { return !ended_; }
  // Set once the child has said what the protocol does not allow: it must not be used again.
  std::optional<Error> broken() const;

 private:
  void io_loop();
  void read_out();
  void read_err();
  void write_in();
  void on_line(std::string_view line);
  void on_answer(const json& message);
  void on_notification(const json& message);
  void note_stderr(std::string_view bytes);
  void break_off(Error why);  // the child broke the protocol
  void finish();              // the child is gone: every call is told
  Error ending();             // why there are no answers any more
  void send(std::string line);

  const std::string label_;
  Child child_;
  Fd wake_;
  wire::Lines lines_;
  bool out_open_ = true, err_open_ = true;  // the I/O thread's, as are the next three
  std::int64_t line_number_ = 0;
  std::string said_;     // last bytes of stderr
  std::string sending_;  // what is being written

  mutable std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<Call>> calls_;  // guarded by mutex_, as are the next four
  std::int64_t next_id_ = 1;
  std::string outbox_;
  bool closing_ = false;
  std::optional<Error> broken_;
  std::atomic<bool> ended_{false};
  std::thread io_;  // last: it uses all of the above
};

}  // namespace slipway
