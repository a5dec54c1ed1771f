#include "cli/approver.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/text.h"

namespace slipway::cli {

namespace {

constexpr std::size_t kMaxTyped = 100;

bool is(const char* value, std::string_view wanted) {
  return value && value == wanted;
}

// A machine that is thrown away with the job: nobody can get to its state folder. (GitHub and GitLab,
// "default environment variables" and "predefined variables".)
bool is_disposable(const Environment& env) {
  return is(env("RUNNER_ENVIRONMENT"), "github-hosted") || is(env("CI_DISPOSABLE_ENVIRONMENT"), "true");
}

}  // namespace

Keyboard::Keyboard(bool by_key) : by_key_(by_key) {
  termios settings{};
  if (!by_key || ::tcgetattr(STDIN_FILENO, &settings) != 0) return;
  before_ = settings;
  settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

Keyboard::~Keyboard() {
  if (before_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
}

std::optional<std::string> Keyboard::line() {
  pollfd fd{STDIN_FILENO, POLLIN, 0};
  while (::poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN)) {
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) != 1) return std::nullopt;  // hung up: the signal of it ends the run
    if (key == '\n' || key == '\r') return std::exchange(typed_, {});
    if (key == 0x7f || key == '\b') {
      if (!typed_.empty()) typed_.pop_back();
    } else if (key == 0x15) {  // ^U
      typed_.clear();
    } else if (static_cast<unsigned char>(key) >= 0x20 && typed_.size() < kMaxTyped) {
      typed_ += key;
    }
  }
  return std::nullopt;
}

bool can_ask() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1 &&
         ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
}

Approver::Approver(const Session& session, std::string run, std::string mode, Environment env)
    : session_(session), run_(std::move(run)), mode_(std::move(mode)), env_(std::move(env)) {}

std::vector<std::string> Approver::on(const Event& event) {
  if (const auto question = approval_asked(event)) return asked(event.step, *question);
  const bool over = approval_decided(event) || std::holds_alternative<StepFinished>(event.body);
  if (std::holds_alternative<RunFinished>(event.body) ||
      (over && question_ && question_->step == event.step)) {
    keyboard_.reset();
    question_.reset();
  }
  return {};
}

std::vector<std::string> Approver::asked(const std::string& step, const ApprovalAsked& asked) {
  question_.emplace();
  question_->step = step;
  question_->project = asked.project;
  question_->environment = asked.environment;
  question_->by = asked.by;
  const auto me = own_account();
  const bool allowed = question_->allows(me);
  if (session_.yes && allowed) {
    decide("approved", "--yes");
    return {};
  }
  const bool shown = mode_ == "tty" || mode_ == "plain";
  if (shown && allowed && can_ask()) {
    keyboard_.emplace(mode_ == "tty");
    return {};
  }
  if (is_disposable(env_)) {
    decide("unanswerable", "here",
           "this machine goes when the job ends, and with it the state folder that `slipway approve` would "
           "write to. Let the CI ask for approval of this job, and give slipway --yes");
    return {};
  }
  std::vector<std::string> out;
  if (!allowed)
    out.push_back(fmt::format("{}: `{}` is not among {}",
                              session_.yes ? "--yes does not count" : "you may not approve", me.name,
                              question_->who()));
  out.push_back(
      fmt::format("`slipway approve {}` on this machine lets it go on, `slipway deny {} --why TEXT` "
                  "ends it (state folder {})",
                  run_, run_, session_.dirs.state.string()));
  return out;
}

std::string Approver::prompt() {
  if (!keyboard_ || !question_) return {};
  if (const auto answer = keyboard_->line()) {
    const bool yes = *answer == "y" || *answer == "Y" || *answer == "yes";
    decide(yes ? "approved" : "denied", "terminal");
    return {};
  }
  return fmt::format("deploy {} {} to {}? [y/N] {}", question_->project, run_, question_->environment,
                     harmless(keyboard_->typed()));
}

void Approver::decide(const std::string& answer, const std::string& how, const std::string& why) {
  keyboard_.reset();
  try {
    gate::decide(gate::questions_folder(session_.dirs.state, run_), *question_, answer, why, how);
  } catch (const Error& e) {
    if (e.code() != ExitCode::denied) throw;  // somebody was faster, and the step tells whose word counts
  }
  question_.reset();
}

}  // namespace slipway::cli
