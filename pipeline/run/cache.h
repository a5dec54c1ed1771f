// The index of finished work: key → outputs, in SQLite below the cache folder, shared by runs and processes.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "plan/key.h"
#include "sys/sqlite.h"

namespace slipway {

struct CachedOutcome {
  json outputs;
  std::string run;        // that made it
  std::int64_t when = 0;  // microseconds since the epoch
  Millis took{0};
};

// What is known of a step's last time, whatever its outcome: for plan/explain.
struct LastTime {
  std::string hash, parts, run;
  bool ok = false;
};

struct KnownOutcome {
  std::string hash;
  std::int64_t used = 0;  // microseconds since the epoch, exact to some hours
  std::vector<std::string> digests;
};

// Every "sha256:…" in a text.
std::vector<std::string> digests_in(std::string_view text);

// One thread. Reads and writes gather in one transaction until commit(): thousands of lookups then cost one
// lock. Nothing is visible to other processes, nor safe from a kill, before commit().
class StepCache {
 public:
  explicit StepCache(const std::filesystem::path& cache_dir);
  ~StepCache();  // commits

  // What a finished step left, when everything its outputs refer to is still there: `descriptor` (an image in
  // the store), and every output whose schema says "x-slipway-exists": "path" or "image".
  std::optional<CachedOutcome> lookup(const std::string& hash, const json& outputs_schema = nullptr);
  void store(const std::string& hash, const CachedOutcome& outcome);

  std::optional<LastTime> last_time(const std::string& project, const std::string& step);
  void remember(const std::string& project, const std::string& step, const StepKey& key,
                const std::string& run, bool ok);

  void commit();
  void refresh();  // from now on lookups see what other processes committed until now

  // For a collection: every outcome, the one used last first, with the digests ("sha256:…") it refers to.
  std::vector<KnownOutcome> by_last_use();
  void forget(const std::vector<std::string>& hashes);
  std::int64_t size();  // number of outcomes

 private:
  enum class Open { nothing, read, write };
  void begin(Open wanted);
  bool still_there(const json& outputs, const json& schema) const;

  std::string blobs_;  // where the images' blobs lie, with its '/'
  Database db_;
  Statement find_, insert_, touch_, last_, remember_;
  Open open_ = Open::nothing;
  std::vector<std::string> touched_;  // used now, and not for hours before
};

}  // namespace slipway
