// Runs on disk: state_dir/runs/ID holds plan.json and events.ndjson, one folder per run, the newest ones
// kept.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "run/event.h"
#include "sys/fd.h"
#include "sys/files.h"

namespace slipway {

// Writes one run as it happens. The engine's thread. Lines reach the system at flush(): what was flushed
// survives a kill; a kill in the middle of a line leaves a torn last line, which readers leave out.
class Journal {
 public:
  // Makes runs/ID with a new id ("r-1", "r-2", … "r-a0": base 36, rising) and takes its lock.
  Journal(const std::filesystem::path& state_dir, const Plan& plan);
  ~Journal();
  const std::string& run_id() const { return run_id_; }
  const std::filesystem::path& folder() const { return folder_; }
  void write(const Event& event);
  void flush();

 private:
  std::string run_id_;
  std::filesystem::path folder_;
  std::optional<FileLock> lock_;
  Fd events_;
  std::string buffer_;
};

// One kept run.
struct RunFolder {
  std::string id;
  std::filesystem::path path;
  bool running() const;                      // its process is alive
  Plan plan() const;                         // throws Error(usage) when there is none
  void replay(const EventSink& sink) const;  // every whole event in order
};

std::vector<RunFolder> list_runs(const std::filesystem::path& state_dir);  // oldest first
// By id; Error(usage) with a suggestion when there is none.
RunFolder find_run(const std::filesystem::path& state_dir, const std::string& id);
// Removes all but the newest `keep` ended runs.
void retain_runs(const std::filesystem::path& state_dir, std::size_t keep);

// Every event of a stream's text; what follows the last newline is torn and left out, lines of unknown types
// are passed over. Throws Error(usage) naming the line that is no event.
void replay_events(std::string_view text, const std::string& name, const EventSink& sink);

}  // namespace slipway
