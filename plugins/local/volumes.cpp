#include "plugins/local/volumes.h"

#include <fcntl.h>

#include "oci/snapshot.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::local {

void make_volumes(const Place& place, const ServicePlan& plan, const std::vector<fs::path>& lowers) {
  for (const auto& [target, name] : plan.volumes) {
    const auto folder = place.volume(name);
    std::error_code ec;
    if (fs::exists(folder, ec)) continue;
    make_dirs(folder.parent_path(), 0700);
    TempDir fresh(folder.parent_path(), ".new-");
    fs::permissions(fresh.path(), fs::perms(0755));
    oci::Snapshots snapshots(place.cache);
    const auto root = snapshots.view(lowers);
    const auto source = oci::open_in_root(root.fd(), target, O_RDONLY | O_DIRECTORY);
    if (source) {
      Command copy;
      // Our descriptor, as another process can name it.
      copy.argv = {"cp", "-a", "--reflink=auto", fmt::format("/proc/{}/fd/{}/.", ::getpid(), source.get()),
                   fresh.path().string()};
      try {
        run_capture(copy);
      } catch (Error& e) {
        e.trail(fmt::format("while filling the volume `{}` from the image", name));
        throw;
      }
    }
    fs::rename(fresh.path(), folder, ec);
    if (ec) throw_errno(fmt::format("make the volume `{}`", name), ec.value());
    fresh.release();
  }
}

}  // namespace slipway::local
