// The user's own folder: its ids are git's, whatever is committed of it.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "support/git_repo.h"
#include "support/slipway.h"
#include "sys/git.h"

using namespace slipway;
using namespace slipway::test;

namespace {

struct Shop {
  TempDir dir{fs::temp_directory_path(), "slipway-git-"};
  GitRepo repo{dir.path() / "shop"};
  fs::path memory = dir.path() / "seen";

  Shop() {
    repo.write("users/app.py", "print(1)\n");
    repo.write("users/lib/db.py", "db\n");
    repo.write("orders/main.cpp", "int main() {}\n");
    repo.write(".gitignore", "*.o\n/out/\n");
    repo.commit();
  }
  git::Snapshot read(std::vector<std::string> folders = {}) const {
    return git::read_folder(repo.dir(), folders, memory);
  }
  std::string id(const std::string& folder) const { return read({folder}).trees.at(folder); }
  // What git itself says the tree would be when all of this were committed.
  std::string git_id(const std::string& folder) const {
    repo.git({"add", "-A"});
    const auto tree = repo.git({"write-tree"});
    return folder == "." ? tree : repo.git({"rev-parse", tree + ":" + folder});
  }
};

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::usage);
    return e.str();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a clean folder has the ids of git's trees", "[git]") {
  if (!have("git")) return;
  Shop shop;
  const auto snapshot = shop.read({".", "users", "users/lib", "orders/"});
  CHECK(snapshot.path == shop.repo.dir());
  CHECK(snapshot.commit == shop.repo.git({"rev-parse", "HEAD"}));
  CHECK(snapshot.branch == "main");
  CHECK(snapshot.dirty == 0);
  CHECK(snapshot.trees.at(".") == shop.repo.git({"rev-parse", "HEAD^{tree}"}));
  CHECK(snapshot.trees.at("users") == shop.repo.git({"rev-parse", "HEAD:users"}));
  CHECK(snapshot.trees.at("users/lib") == shop.repo.git({"rev-parse", "HEAD:users/lib"}));
  CHECK(snapshot.trees.at("orders/") == shop.repo.git({"rev-parse", "HEAD:orders"}));
}

TEST_CASE("changed, new, removed and ignored files give the id that committing them would give", "[git]") {
  if (!have("git")) return;
  Shop shop;
  const auto before = shop.read({"users", "orders"});
  shop.repo.write("users/app.py", "print(2)\n");
  shop.repo.write("users/new/deep/file", "x");
  shop.repo.write("users/a.o", "ignored");
  fs::remove(shop.repo.dir() / "users/lib/db.py");
  ::symlink("app.py", (shop.repo.dir() / "users/link").c_str());
  ::chmod((shop.repo.dir() / "users/app.py").c_str(), 0755);
  const auto after = shop.read({".", "users", "orders", "users/new"});
  CHECK(after.dirty == 4);
  CHECK(after.trees.at("orders") == before.trees.at("orders"));
  CHECK(after.trees.at("users") == shop.git_id("users"));
  CHECK(after.trees.at("users/new") == shop.git_id("users/new"));
  CHECK(after.trees.at(".") == shop.git_id("."));
  // Staged by now; the content is the same, and so it stays once it is committed.
  CHECK(shop.id("users") == after.trees.at("users"));
  shop.repo.commit();
  CHECK(shop.id("users") == after.trees.at("users"));
  CHECK(shop.read().dirty == 0);
}

TEST_CASE("a file that becomes a folder, and a folder that becomes a file", "[git]") {
  if (!have("git")) return;
  Shop shop;
  fs::remove_all(shop.repo.dir() / "users/lib");
  shop.repo.write("users/lib", "now a file");
  fs::remove(shop.repo.dir() / "orders/main.cpp");
  shop.repo.write("orders/main.cpp/part", "now a folder");
  const auto id = shop.id(".");
  CHECK(id == shop.git_id("."));
}

TEST_CASE("a change within the same tick of the clock is seen", "[git]") {
  if (!have("git")) return;
  Shop shop;
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    shop.repo.write("users/app.py", fmt::format("print({:02})\n", i));
    ids.insert(shop.id("users"));
  }
  CHECK(ids.size() == 20);
}

TEST_CASE("a source below the top of its repository counts only itself", "[git]") {
  if (!have("git")) return;
  Shop shop;
  shop.repo.write("orders/main.cpp", "changed");
  const auto snapshot = git::read_folder(shop.repo.dir() / "users", {".", "lib"}, shop.memory);
  CHECK(snapshot.dirty == 0);
  CHECK(snapshot.trees.at(".") == shop.repo.git({"rev-parse", "HEAD:users"}));
  CHECK(snapshot.trees.at("lib") == shop.repo.git({"rev-parse", "HEAD:users/lib"}));
}

TEST_CASE("a repository without a commit, a detached one, and an ignored folder", "[git]") {
  if (!have("git")) return;
  Shop shop;
  SECTION("without a commit") {
    GitRepo fresh(shop.dir.path() / "fresh");
    fresh.write("a/b", "x");
    const auto snapshot = git::read_folder(fresh.dir(), {"a"}, shop.memory);
    CHECK(snapshot.commit.empty());
    CHECK(snapshot.dirty == 1);
    fresh.commit();
    CHECK(snapshot.trees.at("a") == fresh.git({"rev-parse", "HEAD:a"}));
  }
  SECTION("detached") {
    shop.repo.git({"checkout", "-q", "--detach"});
    const auto snapshot = shop.read();
    CHECK(snapshot.branch.empty());
    CHECK(snapshot.commit == shop.repo.git({"rev-parse", "HEAD"}));
  }
  SECTION("ignored: all of it counts") {
    shop.repo.write("out/app", "1");
    const auto before = shop.id("out");
    shop.repo.write("out/app", "2");
    CHECK(shop.id("out") != before);
    CHECK(shop.read().dirty == 0);
  }
}

TEST_CASE("submodules and repositories inside count with what lies in them", "[git]") {
  if (!have("git")) return;
  Shop shop;
  GitRepo lib(shop.dir.path() / "lib");
  lib.write("lib.h", "1");
  const auto lib_commit = lib.commit();
  shop.repo.git({"submodule", "--quiet", "add", lib.dir(), "vendor/lib"});
  shop.repo.commit();
  GitRepo inner(shop.repo.dir() / "inner");
  inner.write("x/y", "1");
  inner.commit();

  const auto clean = shop.read({"vendor", "vendor/lib", "inner"});
  CHECK(clean.trees.at("vendor") == shop.repo.git({"rev-parse", "HEAD:vendor"}));
  CHECK(clean.trees.at("vendor/lib") == lib_commit);
  CHECK(clean.trees.at("inner") == inner.git({"rev-parse", "HEAD^{tree}"}));
  CHECK(clean.dirty == 1);

  shop.repo.write("vendor/lib/lib.h", "2");
  inner.write("x/y", "2");
  const auto dirty = shop.read({"vendor", "inner", "users"});
  CHECK(dirty.trees.at("vendor") != clean.trees.at("vendor"));
  CHECK(dirty.trees.at("inner") != clean.trees.at("inner"));
  CHECK(dirty.trees.at("users") == shop.repo.git({"rev-parse", "HEAD:users"}));
}

TEST_CASE("a folder in no repository is read whole, and again only where it changed", "[git]") {
  if (!have("git")) return;
  TempDir dir(fs::temp_directory_path(), "slipway-git-");
  GitRepo twin(dir.path() / "twin");
  const auto plain = dir.path() / "plain";
  for (const auto& root : {twin.dir(), plain}) {
    make_dirs(root / "a");
    write_file_atomic(root / "a/one", "1");
    write_file_atomic(root / "two", "22");
    ::chmod((root / "two").c_str(), 0755);
    ::symlink("a/one", (root / "link").c_str());
  }
  twin.commit();
  const auto read = [&] { return git::read_folder(plain, {".", "a"}, dir.path() / "seen"); };
  const auto first = read();
  CHECK(first.commit.empty());
  CHECK(first.dirty == 0);
  CHECK(first.trees.at(".") == twin.git({"rev-parse", "HEAD^{tree}"}));
  CHECK(read().trees == first.trees);
  write_file_atomic(plain / "a/one", "3");
  CHECK(read().trees.at("a") != first.trees.at("a"));
  ::mkfifo((plain / "pipe").c_str(), 0644);  // never opened: it would wait for ever
  CHECK_NOTHROW(read());
}

TEST_CASE("folders that are not there or lead out are refused", "[git]") {
  if (!have("git")) return;
  Shop shop;
  const auto root = shop.repo.dir().string();
  ::symlink("/etc", (shop.repo.dir() / "way-out").c_str());
  CHECK(message_of([&] { shop.read({"user"}); }) ==
        fmt::format("there is no folder `user` in `{}`\n  hint: did you mean `users`?", root));
  CHECK(message_of([&] { shop.read({"users/app.py"}); }) ==
        fmt::format("there is no folder `users/app.py` in `{}`", root));
  CHECK(message_of([&] { shop.read({"../x"}); }) == fmt::format("the folder `../x` leads out of `{}`", root));
  CHECK(message_of([&] { shop.read({"way-out"}); }) ==
        fmt::format("the folder `way-out` leads out of `{}`", root));
  CHECK(message_of([&] { git::read_folder(root + "/nowhere", {}, shop.memory); }) ==
        fmt::format("there is no folder `{}/nowhere`", root));
}
