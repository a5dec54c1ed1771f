// Who watches a run: a Console hears its events and shows them on stderr. The results go to stdout, and are
// no business of it.
#pragma once
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "cli/look.h"
#include "report/fold.h"
#include "run/event.h"

namespace slipway::cli {

// All on the engine's thread.
class Console {
 public:
  virtual ~Console() = default;
  virtual void on(const Event& event) = 0;
  // The engine is about to wait: write out, draw.
  virtual void idle() = 0;
  // A line for the user that is no event.
  virtual void say(std::string_view line) = 0;
  // How often idle() must be called while nothing happens; 0: never. Asked after each idle().
  virtual Millis idle_every() const { return Millis(0); }
};

// What every console works with. `report` has every event folded in before the console hears of it.
struct ConsoleSettings {
  const Report* report = nullptr;
  Look look;
  bool verbose = false;
  std::string ci;                               // detect_ci()
  std::stop_token stop;                         // requested: the user wants the run to stop
  std::function<void(std::string_view)> write;  // whole pieces of output
  std::function<std::pair<int, int>()> size;    // rows and columns of the terminal, asked at every drawing
  // The question that stands open at the terminal, with what was typed so far; "": none. May be empty.
  std::function<std::string()> prompt;
};

std::unique_ptr<Console> make_plain_console(ConsoleSettings settings);
std::unique_ptr<Console> make_tty_console(ConsoleSettings settings);
std::unique_ptr<Console> make_json_console(ConsoleSettings settings);   // the event stream itself
std::unique_ptr<Console> make_quiet_console(ConsoleSettings settings);  // failures only
// `mode`: tty, plain, json or quiet.
std::unique_ptr<Console> make_console(std::string_view mode, ConsoleSettings settings);

}  // namespace slipway::cli
