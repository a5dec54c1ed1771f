#include "sys/git_credentials.h"

#include <git2.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "base/error.h"
#include "sys/process.h"

namespace slipway::git {

namespace {

// $SLIPWAY_SSH_KEY alone when set, else ssh's own names. RSA last: libssh2 1.10 only has its SHA-1
// signatures.
std::deque<fs::path> key_files() {
  std::deque<fs::path> out;
  if (const char* given = std::getenv("SLIPWAY_SSH_KEY"); given && *given) return {given};
  const char* home = std::getenv("HOME");
  if (!home) return out;
  for (const char* name : {"id_ed25519", "id_ecdsa", "id_rsa"})
    if (const auto file = fs::path(home) / ".ssh" / name; ::access(file.c_str(), R_OK) == 0)
      out.push_back(file);
  return out;
}

bool is_from(const std::string& asked, const GitUrl& url) {
  try {
    return parse_url(asked, "/").same_server(url);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Credentials::Credentials(const GitUrl& url, const Secret& token, std::stop_token stop)
    : url_(url), token_(token), stop_(std::move(stop)) {
  if (url.scheme == "ssh") keys_ = key_files();
}

int Credentials::next(git_credential** answer, const std::string& asked_url, unsigned allowed) {
  if (allowed & GIT_CREDENTIAL_USERNAME) return git_credential_username_new(answer, ssh_user().c_str());
  if (allowed & GIT_CREDENTIAL_SSH_KEY) {
    const auto user = ssh_user();
    const char* agent = std::getenv("SSH_AUTH_SOCK");
    if (agent && *agent && !std::exchange(agent_asked_, true))
      return git_credential_ssh_key_from_agent(answer, user.c_str());
    if (keys_.empty()) return GIT_EAUTH;
    const auto key = keys_.front();
    keys_.pop_front();
    key_given_ = true;
    return git_credential_ssh_key_new(answer, user.c_str(), nullptr, key.c_str(), "");
  }
  if (!(allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) || !is_from(asked_url, url_)) return GIT_EAUTH;
  if (!token_.empty() && !std::exchange(token_given_, true)) {
    // "user:token" names the user; else the URL does; else the one that GitHub, GitLab and Gitea all take.
    const auto& text = token_.reveal();
    const auto colon = text.find(':');
    const auto user = colon != std::string::npos ? text.substr(0, colon)
                      : !url_.user.empty()       ? url_.user
                                                 : "oauth2";
    return git_credential_userpass_plaintext_new(
        answer, user.c_str(), colon == std::string::npos ? text.c_str() : text.c_str() + colon + 1);
  }
  if (!std::exchange(helper_asked_, true))
    if (const auto login = from_helper()) {
      helper_given_ = true;
      return git_credential_userpass_plaintext_new(answer, login->user.c_str(),
                                                   login->password.reveal().c_str());
    }
  return GIT_EAUTH;
}

// git-credential(1): git knows the user's helpers, and how each is asked.
std::optional<Credentials::Login> Credentials::from_helper() const {
  const auto git = find_program("git");
  if (!git) return std::nullopt;
  Command command;
  command.argv = {*git, "credential", "fill"};
  command.cwd = "/";  // no repository's own configuration joins in
  // An empty GIT_ASKPASS keeps git from asking a person through a window, the other from asking on the
  // terminal.
  command.env = {{"GIT_TERMINAL_PROMPT", "0"}, {"GIT_ASKPASS", ""}, {"SSH_ASKPASS", ""}};
  command.input = fmt::format("protocol={}\nhost={}{}\npath={}\n", url_.scheme, url_.host,
                              url_.text.find(fmt::format(":{}/", url_.port)) == std::string::npos
                                  ? ""
                                  : fmt::format(":{}", url_.port),
                              url_.path.substr(1));
  if (!url_.user.empty()) command.input += fmt::format("username={}\n", url_.user);
  command.input += "\n";
  WaitOptions options;
  options.stop = stop_;
  options.timeout = Millis(30'000);
  options.grace = Millis(1'000);
  std::string text;
  const auto finished = run_process(
      command,
      [&](Stream stream, std::string_view bytes) {
        if (stream == Stream::out && text.size() < 65536) text += bytes;
      },
      options);
  if (!finished.status.ok()) return std::nullopt;
  std::string user, password;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("username=")) user = line.substr(9);
    if (line.starts_with("password=")) password = line.substr(9);
  }
  if (user.empty() && password.empty()) return std::nullopt;
  return Login{user, Secret(std::move(password))};
}

// As ssh does: the URL's, else our own.
std::string Credentials::ssh_user() const {
  if (!url_.user.empty()) return url_.user;
  if (const auto* entry = ::getpwuid(::getuid())) return entry->pw_name;
  return "git";
}

Error Credentials::refused() const {
  if (url_.scheme == "ssh")
    return Error(ExitCode::auth, fmt::format("`{}` refuses our SSH keys", url_.text))
        .hint(key_given_ || agent_asked_
                  ? "add the public key there; keys with a passphrase have to be in ssh-agent (`ssh-add`)"
                  : "put a key at ~/.ssh/id_ed25519 or into ssh-agent");
  if (token_given_ || helper_given_)
    return Error(ExitCode::auth,
                 fmt::format("`{}` refuses {}", url_.text,
                             helper_given_ ? "the login of git's credential helper" : "the token"))
        .hint("check that it is valid and may read the repository");
  return Error(ExitCode::auth, fmt::format("`{}` needs a login", url_.text))
      .hint("give the source a `token`, or set up a git credential helper");
}

}  // namespace slipway::git
