#include "support/terminal.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include <catch2/catch.hpp>
#include <csignal>

namespace slipway::test {

Terminal::Terminal(const User& user, std::vector<std::string> args, const fs::path& cwd) {
  const auto command = user.command(std::move(args), cwd);
  // Made before the fork: a child may only call what is safe after it.
  std::vector<std::string> env;
  for (char** one = environ; *one; ++one) {
    const std::string text = *one;
    if (!command.env.contains(text.substr(0, text.find('=')))) env.push_back(text);
  }
  for (const auto& [name, value] : command.env) env.push_back(name + "=" + value);
  env.push_back("TERM=xterm");
  std::vector<char*> argv, envp;
  for (const auto& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  for (const auto& one : env) envp.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const auto folder = command.cwd.string();
  winsize size{24, 100, 0, 0};
  int mine = -1, theirs = -1;
  REQUIRE(::openpty(&mine, &theirs, nullptr, nullptr, &size) == 0);
  terminal_.reset(mine);
  other_end_.reset(theirs);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    ::login_tty(theirs);
    ::close(mine);
    if (::chdir(folder.c_str()) != 0) ::_exit(127);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
}

Terminal::~Terminal() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Terminal::type(std::string_view keys) {
  REQUIRE(::write(terminal_.get(), keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
}

bool Terminal::shows(const std::string& word) {
  return eventually([&] {
    read_on();
    return shown_.find(word) != std::string::npos;
  });
}

int Terminal::end() {
  int status = 0;
  REQUIRE(eventually(
      [&] {
        read_on();  // or a full buffer would hold it up
        return ::waitpid(pid_, &status, WNOHANG) == pid_;
      },
      Millis(60'000)));
  pid_ = -1;
  read_on();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Terminal::echoes() const {
  termios settings{};
  REQUIRE(::tcgetattr(other_end_.get(), &settings) == 0);
  return (settings.c_lflag & ECHO) && (settings.c_lflag & ICANON);
}

void Terminal::read_on() {
  pollfd fd{terminal_.get(), POLLIN, 0};
  char buffer[65536];
  while (::poll(&fd, 1, 0) > 0) {
    const auto n = ::read(terminal_.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    shown_.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace slipway::test
