#include "support/busybox_image.h"

#include "oci/layer.h"
#include "support/busybox_root.h"
#include "sys/files.h"

namespace slipway::test {

oci::Descriptor make_busybox_image(oci::Store& store, oci::ImageConfig config,
                                   const std::map<std::string, std::string>& files) {
  TempDir dir(fs::temp_directory_path(), "slipway-busybox-");
  make_busybox_root(dir.path());
  for (const auto* applet : {"httpd", "tail", "seq"})
    fs::create_symlink("busybox", dir.path() / "bin" / applet);
  for (const auto& [path, content] : files) {
    make_dirs((dir.path() / path).parent_path());
    write_file_atomic(dir.path() / path, content, 0755);
  }
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(dir.path())) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  oci::LayerWriter writer(store, oci::Compression::none);
  for (const auto& path : paths) {
    oci::Entry entry;
    entry.path = path.lexically_relative(dir.path());
    const auto status = fs::symlink_status(path);
    entry.mode = static_cast<std::uint32_t>(status.permissions()) & 07777;
    if (fs::is_symlink(status)) {
      entry.type = oci::Entry::Type::symlink;
      entry.link = fs::read_symlink(path);
      writer.add(entry);
    } else if (fs::is_directory(status)) {
      entry.type = oci::Entry::Type::dir;
      writer.add(entry);
    } else {
      entry.size = fs::file_size(path);
      writer.add_file(entry, path);
    }
  }
  const auto layer = writer.finish();
  config.platform = oci::Platform::host();
  config.diff_ids = {layer.diff_id};
  return store.put_image(config, {layer.descriptor});
}

}  // namespace slipway::test
