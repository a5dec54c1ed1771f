#include "plugins/docker/save.h"

#include <archive.h>
#include <archive_entry.h>

#include <fstream>
#include <map>
#include <memory>

#include "base/error.h"
#include "oci/compressor.h"
#include "sys/files.h"

namespace slipway::docker {

namespace {

constexpr std::size_t kBlock = 1u << 18;
constexpr std::uint64_t kMaxDocument = 8u << 20;

struct Close {
  void operator()(struct archive* a) const { ::archive_read_free(a); }
};

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ExitCode::unavailable,
              fmt::format("the image that the engine gave out cannot be read: {}", why));
}

// Its files under names of our own, and its links.
class Members {
 public:
  Members(const fs::path& archive, const fs::path& scratch) {
    const std::unique_ptr<struct archive, Close> reader(::archive_read_new());
    ::archive_read_support_format_tar(reader.get());
    if (::archive_read_open_filename(reader.get(), archive.c_str(), kBlock) != ARCHIVE_OK)
      damaged(::archive_error_string(reader.get()));
    make_dirs(scratch);
    for (;;) {
      struct archive_entry* entry = nullptr;
      const int got = ::archive_read_next_header(reader.get(), &entry);
      if (got == ARCHIVE_EOF) return;
      if (got < ARCHIVE_WARN) damaged(::archive_error_string(reader.get()));
      const std::string name = ::archive_entry_pathname(entry);
      if (::archive_entry_filetype(entry) == AE_IFLNK) {
        const auto folder = fs::path(name).parent_path();
        links_[name] = (folder / ::archive_entry_symlink(entry)).lexically_normal().string();
      } else if (::archive_entry_filetype(entry) == AE_IFREG) {
        const auto file = scratch / std::to_string(files_.size());
        copy(reader.get(), file);
        files_[name] = file;
      }
    }
  }

  const fs::path& file(const std::string& name) const {
    const auto link = links_.find(name);
    const auto it = files_.find(link == links_.end() ? name : link->second);
    if (it == files_.end()) damaged(fmt::format("`{}` is missing", name));
    return it->second;
  }

 private:
  static void copy(struct archive* reader, const fs::path& to) {
    std::ofstream out(to, std::ios::binary);
    char buffer[kBlock];
    for (;;) {
      const auto n = ::archive_read_data(reader, buffer, sizeof buffer);
      if (n == 0) break;
      if (n < 0) damaged(::archive_error_string(reader));
      out.write(buffer, n);
    }
    out.close();
    if (!out) throw_errno(fmt::format("write `{}`", to.string()), errno);
  }

  std::map<std::string, fs::path> files_;
  std::map<std::string, std::string> links_;
};

oci::Descriptor store_layer(const fs::path& file, const Digest& diff_id, const oci::Store& store) {
  std::ifstream in(file, std::ios::binary);
  auto writer = store.writer();
  Hasher hasher;
  oci::Compressor compressor(oci::Compression::gzip, [&](std::string_view bytes) { writer.write(bytes); });
  // A newer engine's may be compressed already.
  const bool packed = in.get() == 0x1f && in.get() == 0x8b;
  in.clear();
  in.seekg(0);
  std::string buffer(kBlock, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (packed) {
      writer.write(bytes);
    } else {
      hasher.update(bytes);
      compressor.write(bytes);
    }
  }
  if (!packed) {
    compressor.finish();
    if (hasher.finish() != diff_id) damaged(fmt::format("the layer `{}` is another one", diff_id.str()));
  }
  oci::Descriptor out;
  out.media_type = oci::media::layer_gzip;
  out.size = writer.size();
  out.digest = writer.commit();
  return out;
}

}  // namespace

oci::Descriptor store_archive(const fs::path& archive, const fs::path& scratch, oci::Store& store) {
  const Members members(archive, scratch);
  const auto manifest =
      oci::json::parse(read_file(members.file("manifest.json"), kMaxDocument), nullptr, false);
  if (!manifest.is_array() || manifest.size() != 1 || !manifest[0].is_object())
    damaged("it is not one image");
  auto config = oci::parse_config(read_file(members.file(manifest[0].value("Config", "")), kMaxDocument));
  const auto layers = manifest[0].value("Layers", std::vector<std::string>{});
  if (layers.size() != config.diff_ids.size()) damaged("its layers are not those of its config");
  // How the engine came to it, not what it is.
  for (const char* name : {"container", "container_config"}) config.extra.erase(name);
  std::vector<oci::Descriptor> descriptors;
  for (std::size_t i = 0; i < layers.size(); ++i)
    descriptors.push_back(store_layer(members.file(layers[i]), config.diff_ids[i], store));
  return store.put_image(config, descriptors);
}

}  // namespace slipway::docker
