// URLs, refs and .gitmodules are data of strangers: what could become an option or a program is refused.
#include <catch2/catch.hpp>

#include "base/error.h"
#include "sys/git_modules.h"
#include "sys/git_url.h"

using namespace slipway;

namespace {

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::usage);
    return e.str();
  }
  return "accepted";
}

std::string url_refusal(const std::string& url) {
  return refusal([&] { git::parse_url(url, "/base"); });
}

}  // namespace

TEST_CASE("the forms of a git URL", "[git]") {
  const auto https = git::parse_url("https://Git.Example.com/shop/orders.git", "/base");
  CHECK(https.scheme == "https");
  CHECK(https.host == "git.example.com");
  CHECK(https.port == 443);
  CHECK(https.path == "/shop/orders.git");
  CHECK(https.text == "https://Git.Example.com/shop/orders.git");

  const auto ssh = git::parse_url("ssh://git@example.com:2222/~me/x", "/base");
  CHECK(ssh.user == "git");
  CHECK(ssh.port == 2222);
  const auto scp = git::parse_url("git@example.com:shop/x.git", "/base");
  CHECK(scp.scheme == "ssh");
  CHECK(scp.user == "git");
  CHECK(scp.host == "example.com");
  CHECK(scp.path == "shop/x.git");
  CHECK(git::parse_url("ssh://[::1]:22/x", "/").host == "::1");

  CHECK(git::parse_url("../lib", "/base/dir").path == "/base/lib");
  CHECK(git::parse_url("/srv/git/x/", "/base").path == "/srv/git/x");
  CHECK(git::parse_url("file:///srv/my%20repo", "/base").path == "/srv/my repo");
  CHECK(git::parse_url("file://localhost/srv/x", "/base").local());
}

TEST_CASE("URLs that are no data are refused", "[git]") {
  CHECK(url_refusal("--upload-pack=touch x") == "`--upload-pack=touch x` is no git URL: it begins with `-`");
  CHECK(url_refusal("ext::sh -c touch% x") ==
        "`ext::sh -c touch% x` is no git URL: `ext::` would run a program");
  CHECK(url_refusal("fd::0") == "`fd::0` is no git URL: `fd::` would run a program");
  CHECK(url_refusal("ssh://-oProxyCommand=touch x/y") ==
        "`ssh://-oProxyCommand=touch x/y` is no git URL: its host begins with `-`");
  CHECK(url_refusal("-oProxyCommand=x:y") == "`-oProxyCommand=x:y` is no git URL: it begins with `-`");
  CHECK(url_refusal("ssh://%2doProxyCommand=x/y") ==
        "`ssh://%2doProxyCommand=x/y` is no git URL: `%2doProxyCommand=x` is no host");
  CHECK(url_refusal("ssh://-lroot@host/y") == "`ssh://-lroot@host/y` is no git URL: `-lroot` is no user");
  CHECK(url_refusal("host:-x") == "`host:-x` is no git URL: its path begins with `-`");
  CHECK(url_refusal("https://host/a\r\nHost: b") ==
        "`https://host/a\\r\\nHost: b` is no git URL: it holds a control character");
  CHECK(url_refusal("git://host/a%0d%0ahost=b") ==
        "`git://host/a%0d%0ahost=b` is no git URL: it holds a control character");
  CHECK(url_refusal("file://other/x") == "`file://other/x` is no git URL: a file URL names no other machine");
  CHECK(url_refusal("htps://host/x") ==
        "`htps://host/x` is no git URL: `htps` is not a scheme that slipway speaks\n  hint: did you mean "
        "`https`?");
  CHECK(url_refusal("https:///x") == "`https:///x` is no git URL: it has no host");
  CHECK(url_refusal("https://host") == "`https://host` is no git URL: it has no path");
  CHECK(url_refusal("https://host:99999/x") == "`https://host:99999/x` is no git URL: `99999` is no port");
  CHECK(url_refusal("") == "`` is no git URL: it is empty");
  // Never repeats the password.
  CHECK(url_refusal("https://me:hunter2@host/x") ==
        "the git URL of `host` holds a password\n  hint: give it as the source's `token`, a secret");
}

TEST_CASE("refs that git would not allow are refused", "[git]") {
  for (const auto* good : {"", "main", "release/2.x", "v1.0", "refs/heads/x", "0123abc"})
    CHECK(refusal([&] { git::check_ref(good); }) == "accepted");
  CHECK(refusal([] { git::check_ref("-x"); }) == "`-x` is no branch, tag or commit: it begins with `-`");
  CHECK(refusal([] { git::check_ref("a\nb"); }) ==
        "`a\\nb` is no branch, tag or commit: it holds a control character");
  for (const auto* bad : {"a..b", "a b", "a~1", "a^", "a:b", "*", "x@{1}", "/x", "x/", "x.lock", "a//b"})
    CHECK(refusal([&] { git::check_ref(bad); }) ==
          fmt::format("`{}` is no branch, tag or commit: git allows no such name", bad));
}

TEST_CASE("submodule URLs are relative to their parent and never lead into this machine", "[git]") {
  const auto parent = git::parse_url("https://host/shop/app.git", "/");
  CHECK(git::submodule_url(parent, "../lib.git").text == "https://host/shop/lib.git");
  CHECK(git::submodule_url(parent, "../../x/lib.git").text == "https://host/x/lib.git");
  CHECK(git::submodule_url(parent, "./sub").text == "https://host/shop/app.git/sub");
  CHECK(git::submodule_url(git::parse_url("git@host:shop/app", "/"), "../lib").text == "git@host:shop/lib");
  CHECK(git::submodule_url(git::parse_url("git@host:app", "/"), "../lib").text == "git@host:lib");
  CHECK(git::submodule_url(git::parse_url("/srv/app", "/"), "../lib").path == "/srv/lib");
  CHECK(git::submodule_url(parent, "ssh://git@other/x").scheme == "ssh");
  CHECK(refusal([&] { git::submodule_url(parent, "../../../../x"); }) ==
        "the submodule URL `../../../../x` climbs out of `https://host/shop/app.git`");
  CHECK(refusal([&] { git::submodule_url(parent, "file:///etc"); }) ==
        "the submodule URL `file:///etc` points into this machine, but it comes from "
        "`https://host/shop/app.git`");
  CHECK(refusal([&] { git::submodule_url(parent, "/etc"); }) ==
        "the submodule URL `/etc` points into this machine, but it comes from `https://host/shop/app.git`");
  CHECK(refusal([&] { git::submodule_url(parent, "ext::sh -c x"); }) ==
        "`ext::sh -c x` is no git URL: `ext::` would run a program");
  CHECK(refusal([&] { git::submodule_url(parent, "-u./payload"); }) ==
        "`-u./payload` is no git URL: it begins with `-`");
}

TEST_CASE(".gitmodules is read as git reads it", "[git]") {
  const auto modules = git::parse_modules(R"(# a comment
[submodule "lib"]
	path = vendor/lib
	url = "https://host/li;b.git" ; the rest is a comment
	branch = main
[other]
	path = ../x
[submodule "no url"]
	path = y
[submodule "two \"words\""]
  URL=../b\\c
  Path = "a b"
)");
  REQUIRE(modules.size() == 2);
  CHECK(modules[0].name == "lib");
  CHECK(modules[0].path == "vendor/lib");
  CHECK(modules[0].url == "https://host/li;b.git");
  CHECK(modules[1].name == "two \"words\"");
  CHECK(modules[1].path == "a b");
  CHECK(modules[1].url == "../b\\c");
}

TEST_CASE("submodule paths that lead out are refused", "[git]") {
  const auto with_path = [](const std::string& path) {
    return refusal(
        [&] { git::parse_modules("[submodule \"x\"]\npath = " + path + "\nurl = https://h/x\n"); });
  };
  CHECK(with_path("a/b") == "accepted");
  const auto refused = [](const std::string& shown) {
    return fmt::format("the submodule path `{}` is refused: a repository may not choose it", shown);
  };
  CHECK(with_path("../x") == refused("../x"));
  CHECK(with_path("a/../../x") == refused("a/../../x"));
  CHECK(with_path("/etc") == refused("/etc"));
  CHECK(with_path("-x") == refused("-x"));
  CHECK(with_path(".git/hooks") == refused(".git/hooks"));
  CHECK(with_path("a/.GIT/x") == refused("a/.GIT/x"));
  CHECK(with_path("sub\r") == refused("sub\\r"));
  CHECK(with_path("\"sub\r\"") == refused("sub\\r"));
  CHECK(with_path("a\\nb") == refused("a\\nb"));
  CHECK(refusal([] { git::parse_modules("[submodule \"x\"\npath = y\n"); }) ==
        "`.gitmodules` line 1 is no configuration");
  CHECK(refusal([] { git::parse_modules("[submodule \"x\"]\npath = \"y\n"); }) ==
        "`.gitmodules` line 2 is no configuration");
}
