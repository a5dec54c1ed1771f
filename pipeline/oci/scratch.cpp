#include "oci/scratch.h"

#include <cstdlib>

#include "base/error.h"

namespace slipway::oci {

namespace {

constexpr const char* lock_name = ".lock";

// The folders of dead owners. What cannot be removed now (a process of it is still dying) stays for the next;
// one that its owner removes at this moment may be gone between any two of our looks.
void sweep(const fs::path& parent) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(parent, ec)) {
    if (!entry.is_directory(ec)) continue;
    try {
      if (const auto lock = FileLock::try_lock(entry.path() / lock_name)) remove_tree(entry.path());
    } catch (const Error&) {
    }
  }
}

}  // namespace

std::vector<fs::path> abandoned_scratch(const fs::path& cache_dir) {
  std::vector<fs::path> out;
  std::error_code ec;
  if (!fs::exists(cache_dir / "scratch", ec)) return out;
  const auto guard = FileLock::wait(cache_dir / "scratch.lock");
  for (const auto& entry : fs::directory_iterator(cache_dir / "scratch", ec))
    if (entry.is_directory(ec) && FileLock::try_lock(entry.path() / lock_name)) out.push_back(entry.path());
  return out;
}

Scratch::Scratch(const fs::path& cache_dir, std::string_view prefix) {
  const auto parent = cache_dir / "scratch";
  make_dirs(parent);
  // Held from making the folder to locking it, so that no sweep comes between.
  const auto guard = FileLock::wait(cache_dir / "scratch.lock");
  sweep(parent);
  std::string name = (parent / fmt::format("{}-XXXXXX", prefix)).string();
  if (!::mkdtemp(name.data())) throw_errno(fmt::format("make a folder in `{}`", parent.string()), errno);
  path_ = name;
  lock_ = FileLock::wait(path_ / lock_name);
}

Scratch::~Scratch() {
  if (path_.empty() || !lock_) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {  // the next owner sweeps it
  }
}

}  // namespace slipway::oci
