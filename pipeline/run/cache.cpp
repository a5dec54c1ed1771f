#include "run/cache.h"

#include <unistd.h>

#include "sys/digest.h"
#include "sys/files.h"

namespace slipway {

namespace fs = std::filesystem;

namespace {

// A new form of a table gets a new name: an older slipway beside this one keeps its own.
constexpr std::string_view kSchema = R"(
  CREATE TABLE IF NOT EXISTS outcome_1(
    hash TEXT PRIMARY KEY, outputs TEXT NOT NULL, run TEXT NOT NULL,
    made INTEGER NOT NULL, took_ms INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS last_time_1(
    project TEXT NOT NULL, step TEXT NOT NULL, hash TEXT NOT NULL, parts TEXT NOT NULL,
    run TEXT NOT NULL, ok INTEGER NOT NULL, PRIMARY KEY(project, step)) WITHOUT ROWID;
)";

// `used` is for collection by age only: writing it at every hit would make the no-op run write.
constexpr std::int64_t kTouchEvery = 6ll * 3600 * 1'000'000;

fs::path index_path(const fs::path& cache_dir) {
  make_dirs(cache_dir);
  return cache_dir / "index.sqlite";
}

bool is_there(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// `blobs`: the store's folder of blobs, with its '/'.
bool image_exists(const std::string& blobs, const json& descriptor) {
  if (!descriptor.is_object()) return true;
  const auto text = descriptor.find("digest");
  if (text == descriptor.end() || !text->is_string()) return true;
  const auto digest = Digest::parse(text->get_ref<const std::string&>());
  return digest && is_there(blobs + digest->hex());
}

}  // namespace

std::vector<std::string> digests_in(std::string_view text) {
  constexpr std::string_view start = "sha256:";
  constexpr std::size_t size = start.size() + 64;
  std::vector<std::string> out;
  for (auto at = text.find(start); at != std::string_view::npos; at = text.find(start, at + 1)) {
    const auto word = text.substr(at, size);
    if (Digest::parse(word)) out.emplace_back(word);
  }
  return out;
}

StepCache::StepCache(const fs::path& cache_dir)
    : blobs_((cache_dir / "store" / "blobs" / "sha256" / "").string()),
      db_(index_path(cache_dir), kSchema),
      find_(db_.prepare("SELECT outputs, run, made, took_ms, used FROM outcome_1 WHERE hash = ?1")),
      insert_(db_.prepare("INSERT OR REPLACE INTO outcome_1(hash, outputs, run, made, took_ms, used) "
                          "VALUES(?1, ?2, ?3, ?4, ?5, ?4)")),
      touch_(db_.prepare("UPDATE outcome_1 SET used = ?2 WHERE hash = ?1")),
      last_(db_.prepare("SELECT hash, parts, run, ok FROM last_time_1 WHERE project = ?1 AND step = ?2")),
      remember_(db_.prepare("INSERT OR REPLACE INTO last_time_1(project, step, hash, parts, run, ok) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6)")) {}

StepCache::~StepCache() {
  try {
    commit();
  } catch (const Error&) {
    // A destructor cannot tell; run_plan commits before it ends, so nothing but age marks is lost here.
  }
}

void StepCache::begin(Open wanted) {
  if (open_ >= wanted) return;
  if (open_ == Open::read) db_.exec("COMMIT");  // a read cannot become a write when another process wrote
  open_ = Open::nothing;
  db_.exec(wanted == Open::read ? "BEGIN" : "BEGIN IMMEDIATE");
  open_ = wanted;
}

void StepCache::refresh() {
  // A read transaction keeps the view of its beginning; a write transaction lets nobody else write.
  if (open_ == Open::read) commit();
}

void StepCache::commit() {
  if (!touched_.empty()) {
    begin(Open::write);
    const auto now = now_micros();
    for (const auto& hash : touched_) touch_.bind(1, hash).bind(2, now).run();
    touched_.clear();
  }
  if (open_ == Open::nothing) return;
  open_ = Open::nothing;
  db_.exec("COMMIT");
}

std::optional<CachedOutcome> StepCache::lookup(const std::string& hash, const json& outputs_schema) {
  begin(Open::read);
  find_.bind(1, hash);
  std::optional<CachedOutcome> out;
  std::int64_t used = 0;
  if (find_.row()) {
    out.emplace();
    out->outputs = json::parse(find_.text(0), nullptr, false);
    out->run = find_.text(1);
    out->when = find_.integer(2);
    out->took = Millis(find_.integer(3));
    used = find_.integer(4);
  }
  find_.reset();
  if (!out || out->outputs.is_discarded() || !still_there(out->outputs, outputs_schema)) return std::nullopt;
  if (now_micros() - used > kTouchEvery) touched_.push_back(hash);
  return out;
}

bool StepCache::still_there(const json& outputs, const json& schema) const {
  if (!outputs.is_object()) return true;
  if (auto it = outputs.find("descriptor"); it != outputs.end() && !image_exists(blobs_, *it)) return false;
  if (!schema.is_object()) return true;
  const auto properties = schema.find("properties");
  if (properties == schema.end() || !properties->is_object()) return true;
  for (const auto& [name, property] : properties->items()) {
    if (!property.is_object()) continue;
    const auto kind = property.find("x-slipway-exists");
    const auto value = outputs.find(name);
    if (kind == property.end() || value == outputs.end()) continue;
    if (*kind == "image" && !image_exists(blobs_, *value)) return false;
    if (*kind == "path" && value->is_string() && !is_there(value->get_ref<const std::string&>()))
      return false;
  }
  return true;
}

void StepCache::store(const std::string& hash, const CachedOutcome& outcome) {
  begin(Open::write);
  insert_.bind(1, hash)
      .bind(2, outcome.outputs.dump(-1, ' ', false, json::error_handler_t::replace))
      .bind(3, outcome.run)
      .bind(4, outcome.when)
      .bind(5, outcome.took.count())
      .run();
}

std::optional<LastTime> StepCache::last_time(const std::string& project, const std::string& step) {
  begin(Open::read);
  last_.bind(1, project).bind(2, step);
  std::optional<LastTime> out;
  if (last_.row()) out = LastTime{last_.text(0), last_.text(1), last_.text(2), last_.integer(3) != 0};
  last_.reset();
  return out;
}

void StepCache::remember(const std::string& project, const std::string& step, const StepKey& key,
                         const std::string& run, bool ok) {
  begin(Open::write);
  remember_.bind(1, project)
      .bind(2, step)
      .bind(3, key.hash)
      .bind(4, key.parts)
      .bind(5, run)
      .bind(6, ok ? 1 : 0)
      .run();
}

std::vector<KnownOutcome> StepCache::by_last_use() {
  begin(Open::read);
  auto query = db_.prepare("SELECT hash, used, outputs FROM outcome_1 ORDER BY used DESC, hash");
  std::vector<KnownOutcome> out;
  while (query.row()) out.push_back({query.text(0), query.integer(1), digests_in(query.text(2))});
  query.reset();
  commit();
  return out;
}

void StepCache::forget(const std::vector<std::string>& hashes) {
  if (hashes.empty()) return;
  begin(Open::write);
  auto remove = db_.prepare("DELETE FROM outcome_1 WHERE hash = ?1");
  for (const auto& hash : hashes) remove.bind(1, hash).run();
  commit();
}

std::int64_t StepCache::size() {
  begin(Open::read);
  auto query = db_.prepare("SELECT count(*) FROM outcome_1");
  const auto n = query.row() ? query.integer(0) : 0;
  query.reset();
  commit();
  return n;
}

}  // namespace slipway
