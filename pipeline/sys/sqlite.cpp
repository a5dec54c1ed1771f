#include "sys/sqlite.h"

#include <sqlite3.h>

#include <thread>

#include "base/error.h"

namespace slipway {

namespace fs = std::filesystem;

namespace {

constexpr int kBusyMs = 10'000;

bool is_damage(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

// Thrown inside this file only: the constructor answers it by starting anew.
struct Damaged {};

[[noreturn]] void fail(sqlite3* db, int code, const std::string& what) {
  Error e(ExitCode::unavailable,
          fmt::format("cannot {}: {}", what, db ? sqlite3_errmsg(db) : sqlite3_errstr(code)));
  if ((code & 0xff) == SQLITE_FULL) e.hint("free some space, or run `slipway cache gc`");
  if ((code & 0xff) == SQLITE_BUSY) e.hint("another process holds the database; try again").retryable();
  throw e;
}

}  // namespace

struct Statement::Impl {
  sqlite3* db = nullptr;
  sqlite3_stmt* handle = nullptr;
  ~Impl() { sqlite3_finalize(handle); }
};

Statement::Statement(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Statement::Statement(Statement&&) noexcept = default;
Statement::~Statement() = default;

Statement& Statement::bind(int index, std::string_view text) {
  const int code = sqlite3_bind_text64(impl_->handle, index, text.data() ? text.data() : "", text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(impl_->db, code, "bind a text");
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  const int code = sqlite3_bind_int64(impl_->handle, index, number);
  if (code != SQLITE_OK) fail(impl_->db, code, "bind a number");
  return *this;
}

bool Statement::row() {
  const int code = sqlite3_step(impl_->handle);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  // The message must be read before the reset, which would replace it.
  Error e(ExitCode::unavailable, fmt::format("cannot query the database: {}", sqlite3_errmsg(impl_->db)));
  if (is_damage(code))
    e.hint(fmt::format("remove `{}`: it is only a cache", sqlite3_db_filename(impl_->db, "main")));
  if ((code & 0xff) == SQLITE_FULL) e.hint("free some space, or run `slipway cache gc`");
  sqlite3_reset(impl_->handle);
  throw e;
}

void Statement::run() {
  while (row()) {
  }
  reset();
}

void Statement::reset() {
  sqlite3_reset(impl_->handle);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(impl_->handle, column));
  if (!bytes) return {};
  return std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(impl_->handle, column)));
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(impl_->handle, column);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(impl_->handle, column) == SQLITE_NULL;
}

struct Database::Impl {
  sqlite3* db = nullptr;
  // close_v2: a statement that outlives the connection keeps it until it goes too.
  ~Impl() { sqlite3_close_v2(db); }

  void exec(const std::string& sql) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyMs);
    for (;;) {
      const int code = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
      if (code == SQLITE_OK) return;
      if (is_damage(code)) throw Damaged{};
      // Switching to WAL and recovering a log answer "busy" without asking the busy handler.
      if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() >= deadline)
        fail(db, code, "change the database");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  static std::unique_ptr<Impl> open(const fs::path& path, std::string_view schema) {
    auto impl = std::make_unique<Impl>();
    const int code = sqlite3_open_v2(
        path.c_str(), &impl->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    if (is_damage(code)) throw Damaged{};
    if (code != SQLITE_OK) fail(impl->db, code, fmt::format("open `{}`", path.string()));
    sqlite3_extended_result_codes(impl->db, 1);
    sqlite3_busy_timeout(impl->db, kBusyMs);
    // NORMAL: a power cut may lose the last transactions and never damages; a kill loses nothing.
    impl->exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=268435456;");
    impl->exec(std::string(schema));
    return impl;
  }
};

Database::Database(const fs::path& path, std::string_view schema_sql) {
  try {
    impl_ = Impl::open(path, schema_sql);
  } catch (const Damaged&) {
    std::error_code ignored;  // the files may not be there
    fs::remove(path.string() + "-wal", ignored);
    fs::remove(path.string() + "-shm", ignored);
    fs::rename(path, path.string() + ".damaged");
    impl_ = Impl::open(path, schema_sql);
  }
}

Database::Database(Database&&) noexcept = default;
Database::~Database() = default;

Statement Database::prepare(std::string_view sql) {
  auto statement = std::make_unique<Statement::Impl>();
  statement->db = impl_->db;
  const int code = sqlite3_prepare_v3(impl_->db, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement->handle, nullptr);
  if (code != SQLITE_OK) fail(impl_->db, code, fmt::format("prepare `{}`", sql));
  return Statement(std::move(statement));
}

void Database::exec(std::string_view sql) {
  try {
    impl_->exec(std::string(sql));
  } catch (const Damaged&) {
    throw Error(ExitCode::unavailable,
                fmt::format("the database `{}` is damaged", sqlite3_db_filename(impl_->db, "main")))
        .hint("remove it: it is only a cache");
  }
}

}  // namespace slipway
