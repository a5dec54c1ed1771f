#include "oci/overlay.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "oci/snapshot.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

// "a", "b" … "Z", "aa", …: never "u" or "w" alone, which are the upper and the work folder.
std::string letters(std::size_t n) {
  static constexpr std::string_view alphabet = "abcdefghijklmnopqrstxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  std::string out;
  do {
    out.insert(out.begin(), alphabet[n % alphabet.size()]);
    n /= alphabet.size();
  } while (n-- > 0);
  return out;
}

void link_to(const fs::path& target, const fs::path& link) {
  std::error_code ec;
  fs::create_symlink(fs::absolute(target), link, ec);
  if (ec) throw_errno(fmt::format("link `{}`", link.string()), ec.value());
}

// Runs `work` standing in `dir`, in a thread with a working folder of its own: chdir would move the whole
// process.
template <typename F>
auto standing_in(const fs::path& dir, F&& work) {
  decltype(work()) result{};
  int error = 0;
  std::thread([&] {
    if (::unshare(CLONE_FS) != 0 || ::chdir(dir.c_str()) != 0) {
      error = errno;
      return;
    }
    result = work();
    error = errno;
  }).join();
  errno = error;
  return result;
}

}  // namespace

std::string link_overlay(const Overlay& overlay, const fs::path& dir, const fs::path& bottom) {
  auto lowers = overlay.lowers;
  if (!bottom.empty()) lowers.insert(lowers.begin(), bottom);
  std::string list;
  for (std::size_t i = lowers.size(); i-- > 0;) {  // overlayfs wants the topmost first
    const auto name = letters(i);
    link_to(lowers[i], dir / name);
    list += (list.empty() ? "" : ":") + name;
  }
  // Renamed folders are copied and metadata never travels alone: a layer is a plain tree of what changed.
  std::string options = "redirect_dir=off,metacopy=off,index=off,lowerdir=" + list;
  if (!overlay.upper.empty()) {
    link_to(overlay.upper, dir / "u");
    link_to(overlay.work, dir / "w");
    options += ",upperdir=u,workdir=w";
  }
  return options;
}

void mount_overlay(const std::vector<fs::path>& lowers, const fs::path& upper, const fs::path& work,
                   const fs::path& target) {
  const TempDir links(target.parent_path(), ".overlay-");
  const auto empty = links.path() / "empty";
  make_dirs(empty);
  const auto filled = lowers.empty() ? std::vector<fs::path>{empty} : lowers;
  const auto options = link_overlay({filled, upper, work}, links.path());
  const auto absolute = fs::absolute(target);
  const bool ok = standing_in(
      links.path(), [&] { return ::mount("overlay", absolute.c_str(), "overlay", 0, options.c_str()) == 0; });
  if (!ok) throw_errno(fmt::format("mount {} layers at `{}`", lowers.size(), target.string()), errno);
}

void unmount(const fs::path& target) {
  if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
    throw_errno(fmt::format("unmount `{}`", target.string()), errno);
}

Fd open_in_root(int root_fd, const fs::path& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(::syscall(SYS_openat2, root_fd, path.c_str(), &how, sizeof how)));
}

Fd detached_overlay(const fs::path& dir, const std::string& options) {
  return Fd(standing_in(dir, [&]() -> int {
    Fd context(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    if (!context) return -1;
    const auto set = [&](const char* key, const char* value) {
      return ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, key, value, 0) == 0;
    };
    std::size_t from = 0;
    while (from < options.size()) {
      const auto to = std::min(options.find(',', from), options.size());
      const auto option = options.substr(from, to - from);
      const auto equals = option.find('=');
      if (!set(option.substr(0, equals).c_str(), option.substr(equals + 1).c_str())) return -1;
      from = to + 1;
    }
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return -1;
    return static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0));
  }));
}

}  // namespace slipway::oci
