// Who answers here when a step asks for approval: --yes, the person at the terminal, or nobody; then somebody
// elsewhere does, by `slipway approve`.
#pragma once
#include <termios.h>

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/look.h"
#include "plugins/gate/decision.h"
#include "run/event.h"

namespace slipway::cli {

// The keyboard while a question stands open. With `by_key` it is read key by key and shows nothing by itself:
// for a console that redraws. Left as it was found.
class Keyboard {
 public:
  explicit Keyboard(bool by_key);
  ~Keyboard();
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;
  // Never waits. A whole line, once Enter was pressed.
  std::optional<std::string> line();
  const std::string& typed() const { return typed_; }  // of the line that is not whole

 private:
  bool by_key_;
  std::optional<termios> before_;
  std::string typed_;
};

// A terminal to read from, which this process has in the foreground.
bool can_ask();

// On the engine's thread, as consoles are.
class Approver {
 public:
  // `mode`: of the console (tty, plain, json, quiet).
  Approver(const Session& session, std::string run, std::string mode, Environment env);

  // Answers, or begins to ask. What the user should know beside the event itself, in lines.
  std::vector<std::string> on(const Event& event);
  // Reads what was typed since the last call, and decides when that is an answer. The question as it stands
  // at the terminal: "deploy shop r-8 to prod? [y/N] y"; "" when nothing is asked here.
  std::string prompt();

 private:
  std::vector<std::string> asked(const std::string& step, const ApprovalAsked& question);
  void decide(const std::string& answer, const std::string& how, const std::string& why = {});

  const Session& session_;
  std::string run_, mode_;
  Environment env_;
  std::optional<gate::Question> question_;  // that stands open
  std::optional<Keyboard> keyboard_;
};

}  // namespace slipway::cli
