#include "support/test_image.h"

#include "oci/layer.h"
#include "support/busybox_root.h"
#include "sys/files.h"

namespace slipway::test {

namespace {

void add_tree(oci::LayerWriter& layer, const fs::path& root) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    oci::Entry entry;
    entry.path = path.lexically_relative(root).string();
    entry.mode = 0755;
    if (fs::is_symlink(path)) {
      entry.type = oci::Entry::Type::symlink;
      entry.link = fs::read_symlink(path).string();
      layer.add(entry);
    } else if (fs::is_directory(path)) {
      entry.type = oci::Entry::Type::dir;
      if (path.filename() == "tmp") entry.mode = 01777;
      layer.add(entry);
    } else {
      entry.size = fs::file_size(path);
      layer.add_file(entry, path);
    }
  }
}

}  // namespace

nlohmann::json make_image(const fs::path& cache_dir, const TestImage& image) {
  auto store = oci::open_user_store(cache_dir);
  const TempDir root(fs::temp_directory_path(), "slipway-image-");
  make_busybox_root(root.path());
  fs::create_symlink("busybox", root.path() / "bin" / "httpd");
  fs::create_symlink("busybox", root.path() / "bin" / "wget");
  oci::LayerWriter base(store);
  add_tree(base, root.path());
  const auto first = base.finish();
  const TempDir over(fs::temp_directory_path(), "slipway-image-");
  for (const auto& [path, text] : image.files) {
    make_dirs((over.path() / path).parent_path());
    write_file_atomic(over.path() / path, text);
  }
  oci::LayerWriter files(store);
  add_tree(files, over.path());
  const auto second = files.finish();
  oci::ImageConfig config;
  config.platform = oci::Platform::host();
  config.cmd = image.cmd;
  config.exposed_ports = image.exposed_ports;
  config.stop_signal = image.stop_signal;
  config.diff_ids = {first.diff_id, second.diff_id};
  return oci::to_json(store.put_image(config, {first.descriptor, second.descriptor}));
}

}  // namespace slipway::test
