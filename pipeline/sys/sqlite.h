// SQLite, WAL mode: statements that are prepared once, and one transaction guard.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

class Database;

// A prepared statement. bind() from 1; row() steps; column() from 0. reset() before the next use.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  ~Statement();
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t number);
  bool row();  // true while there is a row
  void run();  // steps to the end and resets
  void reset();
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Impl;
  explicit Statement(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

// One connection, one thread at a time. Several processes may open the same file: busy waits up to 10 s.
// A file that is no database, or damaged, is moved aside (NAME.damaged) and made anew: it is only a cache.
class Database {
 public:
  Database(const std::filesystem::path& path, std::string_view schema_sql);
  Database(Database&&) noexcept;
  ~Database();
  Statement prepare(std::string_view sql);
  void exec(std::string_view sql);
  // BEGIN IMMEDIATE … COMMIT; rolls back when it throws.
  template <typename F>
  void transaction(F&& work) {
    exec("BEGIN IMMEDIATE");
    try {
      work();
    } catch (...) {
      exec("ROLLBACK");
      throw;
    }
    exec("COMMIT");
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway
