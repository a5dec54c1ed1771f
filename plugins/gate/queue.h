// Turns: the runs of a group go one after the other, in the order in which they came.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "plugin/plugin.h"

namespace slipway::gate {

struct Waiting {
  std::string run;
  std::int64_t since = 0;  // microseconds since the epoch
};

// One run's place in a queue; its turn lasts as long as this object and this process. A ticket is a file with
// a rising number, locked by its owner: that of a process which is gone, however it went, is free.
class Place {
 public:
  // At the end of the queue.
  Place(const std::filesystem::path& folder, const std::string& run);
  ~Place();
  // The runs before this one, the one whose turn it is first. Empty: it is ours.
  std::vector<Waiting> before() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Who is in a queue now.
std::vector<Waiting> waiting_in(const std::filesystem::path& folder);
std::filesystem::path queue_folder(const std::filesystem::path& state_dir, const std::string& group);

}  // namespace slipway::gate
