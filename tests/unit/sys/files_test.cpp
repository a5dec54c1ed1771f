#include "sys/files.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "sys/digest.h"

using namespace slipway;

TEST_CASE("a file is replaced whole, with the mode asked for, and nothing is left beside it", "[sys]") {
  TempDir dir(fs::temp_directory_path());
  write_file_atomic(dir.path() / "a", "one");
  write_file_atomic(dir.path() / "a", "two", 0600);
  CHECK(read_file(dir.path() / "a") == "two");
  CHECK((fs::status(dir.path() / "a").permissions() & fs::perms::mask) == fs::perms(0600));
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("reading says what is wrong", "[sys]") {
  TempDir dir(fs::temp_directory_path());
  CHECK_FALSE(read_file_if_exists(dir.path() / "none").has_value());
  CHECK_THROWS_WITH(read_file("/nowhere/none"), "`/nowhere/none` does not exist");
  CHECK_THROWS_WITH(read_file("/usr"), "`/usr` is a folder, not a file");
  write_file_atomic(dir.path() / "big", std::string(100, 'x'));
  CHECK_THROWS_AS(read_file(dir.path() / "big", 99), Error);
}

TEST_CASE("removing a tree does not follow links", "[sys]") {
  TempDir dir(fs::temp_directory_path());
  const auto kept = dir.path() / "kept", gone = dir.path() / "gone";
  make_dirs(kept);
  write_file_atomic(kept / "file", "x");
  make_dirs(gone / "deep" / "er");
  fs::create_symlink(kept, gone / "link");
  ::chmod((gone / "deep").c_str(), 0500);
  remove_tree(gone);
  CHECK_FALSE(fs::exists(gone));
  CHECK(fs::exists(kept / "file"));
}

TEST_CASE("a lock is held by one owner at a time", "[sys]") {
  TempDir dir(fs::temp_directory_path());
  {
    const auto held = FileLock::wait(dir.path() / "lock");
    CHECK_FALSE(FileLock::try_lock(dir.path() / "lock").has_value());
  }
  CHECK(FileLock::try_lock(dir.path() / "lock").has_value());
}

TEST_CASE("a path stays inside its root or is refused", "[sys]") {
  CHECK(path_inside("/r", "a/./b") == fs::path("/r/a/b"));
  CHECK(path_inside("/r", "/etc/passwd") == fs::path("/r/etc/passwd"));
  CHECK(path_inside("/r", "a/../b") == fs::path("/r/b"));
  CHECK_FALSE(path_inside("/r", "../b").has_value());
  CHECK_FALSE(path_inside("/r", "a/../../b").has_value());
  CHECK_FALSE(path_inside("/r", std::string_view("a\0b", 3)).has_value());
  for (const char* name : {"", ".", "..", "a/b", "a\nb"}) CHECK_FALSE(is_safe_name(name));
}

TEST_CASE("only a whole lower-case sha256 is a digest", "[sys]") {
  const auto digest = Digest::of("abc");
  CHECK(digest.str() == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Digest::parse(digest.str()) == digest);
  for (const std::string& text :
       {std::string("sha256:../../x"), std::string("sha256:") + std::string(63, 'a'),
        std::string("sha256:") + std::string(64, 'A'), std::string("md5:") + std::string(64, 'a')}) {
    INFO(text);
    CHECK_FALSE(Digest::parse(text).has_value());
  }
  CHECK(Hasher().field("ab").field("c").finish() != Hasher().field("a").field("bc").finish());
}
