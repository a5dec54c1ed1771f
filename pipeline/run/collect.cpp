#include "run/collect.h"

#include <sys/stat.h>

#include <limits>
#include <unordered_set>

#include "base/error.h"

namespace slipway {

namespace {

constexpr std::uint64_t kMaxDocument = 8 << 20;  // manifests, configs, indexes and notes are smaller

// Where builders remember what they made of what; each file names digests. Losing one costs work, no more.
constexpr const char* kNotes[] = {"instructions", "bases", "copied"};

struct Entry {
  std::uint64_t bytes = 0;
  std::int64_t changed = 0;  // microseconds since the epoch
};

std::optional<Entry> stat_of(const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return Entry{static_cast<std::uint64_t>(info.st_blocks) * 512,
               static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000 + info.st_mtim.tv_nsec / 1000};
}

std::uint64_t size_of_tree(const fs::path& root) {
  std::uint64_t sum = 0;
  if (const auto own = stat_of(root)) sum += own->bytes;
  std::error_code gone;  // a file may go while we look
  for (fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, gone), end;
       !gone && it != end; it.increment(gone))
    if (const auto entry = stat_of(it->path())) sum += entry->bytes;
  return sum;
}

template <typename F>
void for_each_file(const fs::path& folder, F&& visit) {
  std::error_code missing;
  for (fs::recursive_directory_iterator it(folder, missing), end; !missing && it != end;
       it.increment(missing))
    if (it->is_regular_file(missing) && !it->is_symlink(missing)) visit(it->path());
}

std::vector<std::string> digests_in_file(const fs::path& path) {
  const auto entry = stat_of(path);
  if (!entry || entry->bytes > kMaxDocument) return {};
  const auto text = read_file_if_exists(path);
  return text && text->starts_with('{') ? digests_in(*text) : std::vector<std::string>();
}

class Collection {
 public:
  Collection(const Dirs& dirs, StepCache& cache, const CollectOptions& options)
      : dirs_(dirs),
        cache_(cache),
        options_(options),
        blobs_(dirs.cache / "store" / "blobs" / "sha256"),
        snapshots_(dirs.cache / "snapshots"),
        newest_to_go_(options.everything ? std::numeric_limits<std::int64_t>::max()
                                         : now_micros() - Micros(options.min_age).count()) {}

  Collected run() {
    protect();
    keep_outcomes();
    keep_notes();
    sweep(blobs_, done_.blobs);
    sweep(snapshots_, done_.snapshots);
    return done_;
  }

 private:
  void protect() {
    for (const auto& digest : digests_in_file(dirs_.cache / "store" / "index.json")) reach(digest);
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(dirs_.state, missing)) {
      if (entry.path().filename() == "runs") continue;
      const auto keep = [this](const fs::path& file) {
        for (const auto& digest : digests_in_file(file)) reach(digest);
      };
      entry.is_directory() ? for_each_file(entry.path(), keep) : keep(entry.path());
    }
    used_ = 0;  // the limit is for what may go
  }

  void keep_outcomes() {
    std::vector<std::string> forgotten;
    bool full = false;
    for (const auto& outcome : cache_.by_last_use()) {
      if (outcome.used <= newest_to_go_) {
        full = full || options_.everything || used_ + cost(outcome.digests) > options_.keep;
        if (full) {
          forgotten.push_back(outcome.hash);
          continue;
        }
      }
      for (const auto& digest : outcome.digests) reach(digest);
    }
    cache_.forget(forgotten);
    done_.outcomes = forgotten.size();
  }

  void keep_notes() {
    struct Note {
      fs::path path;
      Entry entry;
    };
    std::vector<Note> notes;
    for (const auto* folder : kNotes) {
      for_each_file(dirs_.cache / folder, [&](const fs::path& path) {
        if (const auto entry = stat_of(path)) notes.push_back({path, *entry});
      });
    }
    std::sort(notes.begin(), notes.end(),
              [](const Note& a, const Note& b) { return a.entry.changed > b.entry.changed; });
    for (const auto& note : notes) {
      const auto digests = digests_in_file(note.path);
      if (note.entry.changed > newest_to_go_ ||
          (!options_.everything && used_ + cost(digests) <= options_.keep)) {
        for (const auto& digest : digests) reach(digest);
      } else {
        std::error_code ignored;
        if (fs::remove(note.path, ignored)) done_.freed += note.entry.bytes;
      }
    }
  }

  // Bytes that keeping these would add.
  std::uint64_t cost(const std::vector<std::string>& digests) {
    std::unordered_set<std::string> more;
    std::uint64_t sum = 0;
    for (const auto& digest : digests) sum += add(digest, more);
    return sum;
  }

  void reach(const std::string& digest) {
    std::unordered_set<std::string> more;
    used_ += add(digest, more);
    reached_.merge(more);
  }

  // `digest` and all that it names, directly or not (a manifest its config and layers, a config the layers
  // unpacked), as far as not reached before; their bytes.
  std::uint64_t add(const std::string& first, std::unordered_set<std::string>& more) {
    std::uint64_t sum = 0;
    std::vector<std::string> open = {first};
    while (!open.empty()) {
      const auto digest = std::move(open.back());
      open.pop_back();
      const auto hex = digest.substr(digest.find(':') + 1);
      if (reached_.contains(hex) || !more.insert(hex).second) continue;
      const auto& known = look_at(hex);
      sum += known.bytes;
      open.insert(open.end(), known.names.begin(), known.names.end());
    }
    return sum;
  }

  struct Known {
    std::uint64_t bytes = 0;
    std::vector<std::string> names;
  };
  const Known& look_at(const std::string& hex) {
    const auto [it, is_new] = known_.try_emplace(hex);
    if (!is_new) return it->second;
    auto& known = it->second;
    if (const auto blob = stat_of(blobs_ / hex)) {
      known.bytes += blob->bytes;
      known.names = digests_in_file(blobs_ / hex);
    }
    if (stat_of(snapshots_ / hex)) known.bytes += size_of_tree(snapshots_ / hex);
    return known;
  }

  void sweep(const fs::path& folder, std::size_t& count) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder, missing)) {
      const auto info = stat_of(entry.path());
      if (!info || info->changed > newest_to_go_ || reached_.contains(entry.path().filename().string()))
        continue;
      const auto bytes = size_of_tree(entry.path());
      remove_tree(entry.path());
      done_.freed += bytes;
      ++count;
    }
  }

  const Dirs& dirs_;
  StepCache& cache_;
  const CollectOptions& options_;
  fs::path blobs_, snapshots_;
  std::int64_t newest_to_go_;
  std::unordered_set<std::string> reached_;  // hex of what stays
  std::unordered_map<std::string, Known> known_;
  std::uint64_t used_ = 0;  // bytes that stay
  Collected done_;
};

}  // namespace

CacheSizes measure_cache(const fs::path& cache_dir) {
  CacheSizes sizes;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(cache_dir, missing)) {
    const auto name = entry.path().filename().string();
    auto& sum = name == "store"       ? sizes.images
                : name == "snapshots" ? sizes.snapshots
                : name == "git"       ? sizes.git
                                      : sizes.other;
    sum += size_of_tree(entry.path());
  }
  return sizes;
}

Collected collect_cache(const Dirs& dirs, StepCache& cache, const CollectOptions& options) {
  return Collection(dirs, cache, options).run();
}

}  // namespace slipway
