// Host keys against files as ssh writes them.
#include "sys/git_known_hosts.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "support/slipway.h"
#include "sys/files.h"

using namespace slipway;
using namespace slipway::test;

namespace {

// The key of a line "NAME TYPE BASE64", as it is on the wire.
std::string blob_of(const std::string& line) {
  Command command;
  command.argv = {"base64", "-d"};
  command.input = line.substr(line.rfind(' ') + 1);
  return run_capture(command);
}

struct Known {
  TempDir dir{fs::temp_directory_path(), "slipway-known-"};
  std::string type_and_key, other;

  Known() {
    for (auto* into : {&type_and_key, &other}) {
      const auto file = dir.path() / (into == &other ? "other" : "key");
      Command command;
      command.argv = {"ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-C", "", "-f", file};
      run_capture(command);
      *into = read_file(file.string() + ".pub");
      while (into->ends_with('\n') || into->ends_with(' ')) into->pop_back();
    }
  }
  // What is said of the key for host:port when the file holds `lines`; "" when it is trusted.
  std::string answer(const std::string& lines, const std::string& host = "git.example.com",
                     int port = 22) const {
    write_file_atomic(dir.path() / "known_hosts", lines);
    try {
      git::check_host_key({host, port, blob_of(type_and_key)},
                          {dir.path() / "missing", dir.path() / "known_hosts"});
    } catch (const Error& e) {
      CHECK(e.code() == ExitCode::auth);
      return e.message();
    }
    return "";
  }
};

}  // namespace

TEST_CASE("a host key is trusted when a line names its host and holds the key", "[git]") {
  if (!have("ssh-keygen") || !have("base64")) return;
  Known known;
  const auto& key = known.type_and_key;
  CHECK(known.answer("git.example.com " + key + " comment\n") == "");
  CHECK(known.answer("# comment\n\nother,git.example.com,10.0.0.1 " + key + "\n") == "");
  CHECK(known.answer("*.example.com " + key + "\n") == "");
  CHECK(known.answer("GIT.example.com " + key + "\n") == "");
  CHECK(known.answer("[git.example.com]:2222 " + key + "\n", "git.example.com", 2222) == "");
  const auto unknown = [&](const std::string& lines, int port = 22) {
    return known.answer(lines, "git.example.com", port).find(" is not known: ssh-ed25519 SHA256:") !=
           std::string::npos;
  };
  CHECK(unknown(""));
  CHECK(unknown("*.example.com,!git.example.com " + key + "\n"));
  CHECK(unknown("git.example.com " + key + "\n", 2222));
  CHECK(unknown("example.com " + key + "\n"));
  CHECK(unknown("@cert-authority *.example.com " + key + "\n"));
  CHECK(unknown("git.example.com ecdsa-sha2-nistp256 AAAA\n"));
}

TEST_CASE("hashed names are found, as ssh-keygen -H writes them", "[git]") {
  if (!have("ssh-keygen") || !have("base64")) return;
  Known known;
  const auto file = known.dir.path() / "plain";
  write_file_atomic(file, "[git.example.com]:2222 " + known.type_and_key + "\n");
  Command command;
  command.argv = {"ssh-keygen", "-q", "-H", "-f", file};
  run_capture(command);
  const auto hashed = read_file(file);
  REQUIRE(hashed.starts_with("|1|"));
  CHECK(known.answer(hashed, "git.example.com", 2222) == "");
  CHECK(known.answer(hashed, "git.example.com", 22) != "");
}

TEST_CASE("a key that has changed or is revoked is refused, with the line that says so", "[git]") {
  if (!have("ssh-keygen") || !have("base64")) return;
  Known known;
  const auto file = (known.dir.path() / "known_hosts").string();
  CHECK_THAT(known.answer("x y z\ngit.example.com " + known.other + "\n"),
             Catch::StartsWith("the host key of `git.example.com` has changed: ssh-ed25519 SHA256:") &&
                 Catch::EndsWith(" is not the one in `" + file + "` line 2"));
  // A second key of the same type, while a server changes from one to the other.
  CHECK(known.answer("git.example.com " + known.other + "\ngit.example.com " + known.type_and_key + "\n") ==
        "");
  CHECK(known.answer("git.example.com " + known.type_and_key + "\n@revoked * " + known.type_and_key + "\n") ==
        "the host key of `git.example.com` is revoked by `" + file + "` line 2");
}
