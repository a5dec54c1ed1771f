// The folders that steps work in and leave reports in, used by one step after the other: to make and remove
// two of them for each was a fifth of the time of a step that does little.
#pragma once
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace slipway {

// Any thread.
class Scratch {
 public:
  struct Place {
    std::filesystem::path work, reports;  // both empty when they are taken
  };

  // Below these two folders.
  Scratch(std::filesystem::path work, std::filesystem::path reports);
  Place take();
  // What is left in `work` is removed. Reports are moved to the folder of the step; those of an attempt
  // before this one make room. Throws Error when they cannot be moved.
  void give_back(const Place& place, const std::string& step);
  // Removes the places that are not in use.
  void clear();

 private:
  const std::filesystem::path work_, reports_;
  std::mutex mutex_;
  std::vector<Place> free_;  // guarded by mutex_, as is made_
  int made_ = 0;
};

}  // namespace slipway
