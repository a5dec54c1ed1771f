#include "run/scratch.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "sys/files.h"

namespace slipway {

namespace {

bool has_nothing(const fs::path& folder) {
  std::error_code error;
  return fs::is_empty(folder, error) && !error;
}

}  // namespace

Scratch::Scratch(fs::path work, fs::path reports) : work_(std::move(work)), reports_(std::move(reports)) {}

Scratch::Place Scratch::take() {
  Place place;
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      place = std::move(free_.back());
      free_.pop_back();
      return place;
    }
    const auto number = std::to_string(++made_);
    place = {work_ / number, reports_ / ("." + number)};  // hidden: not a step's
  }
  make_dirs(place.work);
  make_dirs(place.reports);
  return place;
}

void Scratch::give_back(const Place& place, const std::string& step) {
  if (!has_nothing(place.reports)) {
    const auto kept = reports_ / step;
    remove_tree(kept);
    if (::rename(place.reports.c_str(), kept.c_str()) != 0)
      throw_errno(fmt::format("keep the reports in `{}`", kept.string()), errno);
    make_dirs(place.reports);
  }
  if (!has_nothing(place.work)) {
    try {
      remove_tree(place.work);
    } catch (const Error&) {
      // A mount that outlived its owner: `slipway doctor` finds and clears it, and nobody gets this place
      // again.
      return;
    }
    make_dirs(place.work);
  }
  const std::lock_guard lock(mutex_);
  free_.push_back(place);
}

void Scratch::clear() {
  const std::lock_guard lock(mutex_);
  for (const auto& place : free_) {
    ::rmdir(place.work.c_str());
    ::rmdir(place.reports.c_str());
  }
  free_.clear();
}

}  // namespace slipway
