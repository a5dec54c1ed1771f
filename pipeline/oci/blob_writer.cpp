// A blob on its way into the store. It is written to a file without a name (O_TMPFILE) and gets its name only
// when it is whole and on disk, so a killed process leaves nothing behind, not even a temp file.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "oci/store.h"
#include "sys/files.h"

namespace slipway::oci {
namespace {

constexpr std::uint64_t kWritebackStep = 8ull << 20;  // bytes between two nudges to the disk

// File systems without O_TMPFILE (some network and FUSE ones) get a named file. What a killed process left is
// recognised by its lock, which died with it, and by its age.
constexpr std::string_view kTempPrefix = ".tmp-blob-";
constexpr time_t kStaleSeconds = 3600;

void remove_stale(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!entry.path().filename().native().starts_with(kTempPrefix)) continue;
    const Fd fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || ::time(nullptr) - info.st_mtime < kStaleSeconds) continue;
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
  }
}

}  // namespace

struct BlobWriter::Impl {
  explicit Impl(const fs::path& layout) : folder(layout / "blobs" / "sha256") {
    fd.reset(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
    if (fd) return;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
      throw_errno(fmt::format("write a blob in `{}`", folder.native()), errno);
    }
    remove_stale(folder);
    std::string name = (folder / kTempPrefix).native() + "XXXXXX";
    fd.reset(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) throw_errno(fmt::format("write a blob in `{}`", folder.native()), errno);
    temp = name;
    ::flock(fd.get(), LOCK_EX);
    ::fchmod(fd.get(), 0644);
  }
  ~Impl() {
    if (!temp.empty()) ::unlink(temp.c_str());
  }

  void write(std::string_view bytes) {
    hasher.update(bytes);
    size += bytes.size();
    while (!bytes.empty()) {
      const auto count = ::write(fd.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw_errno(fmt::format("write a blob in `{}`", folder.native()), errno);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    // Dirty pages go out while more are made, so that the fsync at the end has little left to do.
    if (size - nudged >= kWritebackStep) {
      ::sync_file_range(fd.get(), static_cast<off64_t>(nudged), static_cast<off64_t>(size - nudged),
                        SYNC_FILE_RANGE_WRITE);
      nudged = size;
    }
  }

  void place(const fs::path& target) {
    if (temp.empty()) {
      const auto self = fmt::format("/proc/self/fd/{}", fd.get());
      if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target.c_str(), AT_SYMLINK_FOLLOW) == 0) return;
      if (errno != EEXIST) throw_errno(fmt::format("write `{}`", target.native()), errno);
      return;  // another process was quicker with the same bytes
    }
    if (::rename(temp.c_str(), target.c_str()) != 0) {
      throw_errno(fmt::format("write `{}`", target.native()), errno);
    }
    temp.clear();
  }

  fs::path folder, temp;  // temp: empty when the file has no name
  Fd fd;
  Hasher hasher;
  std::uint64_t size = 0, nudged = 0;
};

BlobWriter::BlobWriter(const fs::path& layout) : impl_(std::make_unique<Impl>(layout)) {}
BlobWriter::BlobWriter(BlobWriter&&) noexcept = default;
BlobWriter::~BlobWriter() = default;

void BlobWriter::write(std::string_view bytes) {
  impl_->write(bytes);
}

std::uint64_t BlobWriter::size() const {
  return impl_->size;
}

Digest BlobWriter::commit(const std::optional<Digest>& expected) {
  const Digest digest = impl_->hasher.finish();
  if (expected && *expected != digest) {
    throw Error(ExitCode::unavailable,
                fmt::format("blob is corrupt: expected `{}`, got `{}`", expected->str(), digest.str()))
        .hint("the sender or something on the way changed it; try again, then look at the sender's storage")
        .retryable();
  }
  const auto target = impl_->folder / digest.hex();
  struct stat info {};
  if (::stat(target.c_str(), &info) == 0) {
    if (static_cast<std::uint64_t>(info.st_size) == impl_->size) return digest;
    ::unlink(target.c_str());  // damaged by something else than us: replaced
  }
  if (::fsync(impl_->fd.get()) != 0) throw_errno(fmt::format("write `{}`", target.native()), errno);
  impl_->place(target);
  const Fd folder(::open(impl_->folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) {
    throw_errno(fmt::format("write to `{}`", impl_->folder.native()), errno);
  }
  return digest;
}

}  // namespace slipway::oci
