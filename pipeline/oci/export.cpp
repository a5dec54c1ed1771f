#include "oci/export.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "oci/pack.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

struct CloseWriter {
  void operator()(struct archive* a) const { ::archive_write_free(a); }
};

// A tar file written beside its place and moved there when it is whole.
class TarFile {
 public:
  explicit TarFile(fs::path file)
      : file_(std::move(file)), part_(file_.string() + ".part"), tar_(::archive_write_new()) {
    if (!file_.parent_path().empty()) make_dirs(file_.parent_path());
    ::archive_write_set_format_pax_restricted(tar_.get());
    ::archive_write_set_bytes_in_last_block(tar_.get(), 1);
    check(::archive_write_open_filename(tar_.get(), part_.c_str()));
  }
  ~TarFile() {
    std::error_code ec;
    if (tar_) fs::remove(part_, ec);
  }

  void text(const std::string& name, std::string_view content) {
    header(name, content.size());
    write(content.data(), content.size());
  }

  void blob(const std::string& name, const Store& store, const Descriptor& blob) {
    header(name, blob.size);
    const Fd fd(::open(store.blob_path(blob.digest).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw_errno(fmt::format("read blob `{}`", blob.digest.str()), errno);
    std::string buffer(1u << 20, '\0');
    for (;;) {
      const auto n = ::read(fd.get(), buffer.data(), buffer.size());
      if (n < 0) throw_errno(fmt::format("read blob `{}`", blob.digest.str()), errno);
      if (n == 0) break;
      write(buffer.data(), static_cast<std::size_t>(n));
    }
  }

  void finish() {
    check(::archive_write_close(tar_.get()));
    tar_.reset();
    std::error_code ec;
    fs::rename(part_, file_, ec);
    if (ec) throw_errno(fmt::format("write `{}`", file_.string()), ec.value());
  }

 private:
  void check(int result) {
    if (result >= ARCHIVE_WARN) return;
    const char* why = ::archive_error_string(tar_.get());
    throw Error(ExitCode::unavailable,
                fmt::format("cannot write `{}`: {}", file_.string(), why ? why : "unknown error"));
  }
  void header(const std::string& name, std::uint64_t size) {
    struct archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_filetype(entry, AE_IFREG);
    ::archive_entry_set_perm(entry, 0644);
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(size));
    ::archive_entry_set_mtime(entry, layer_time, 0);
    const int result = ::archive_write_header(tar_.get(), entry);
    ::archive_entry_free(entry);
    check(result);
  }
  void write(const char* data, std::size_t size) {
    if (::archive_write_data(tar_.get(), data, size) < 0) check(ARCHIVE_FATAL);
  }

  fs::path file_, part_;
  std::unique_ptr<struct archive, CloseWriter> tar_;
};

void export_oci_archive(const Store& store, const Descriptor& image, const fs::path& file,
                        const std::string& name) {
  TarFile tar(file);
  auto item = to_json(image);
  if (!name.empty()) item["annotations"]["org.opencontainers.image.ref.name"] = name;
  tar.text("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  tar.text("index.json",
           json{{"schemaVersion", 2}, {"mediaType", media::index}, {"manifests", {item}}}.dump());
  const auto manifest = store.manifest(image);
  std::vector<Descriptor> blobs = manifest.layers;
  blobs.push_back(manifest.config);
  blobs.push_back(image);
  std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) { return a.digest < b.digest; });
  blobs.erase(std::unique(blobs.begin(), blobs.end(),
                          [](const auto& a, const auto& b) { return a.digest == b.digest; }),
              blobs.end());
  for (const auto& blob : blobs) tar.blob("blobs/sha256/" + blob.digest.hex(), store, blob);
  tar.finish();
}

void export_docker_archive(const Store& store, const Descriptor& image, const fs::path& file,
                           const std::string& name) {
  TarFile tar(file);
  const auto manifest = store.manifest(image);
  json layers = json::array();
  std::vector<Digest> written;
  for (const auto& layer : manifest.layers) {
    const auto path = layer.digest.hex() + ".tar.gz";
    layers.push_back(path);
    if (std::find(written.begin(), written.end(), layer.digest) != written.end()) continue;
    written.push_back(layer.digest);
    tar.blob(path, store, layer);
  }
  const auto config = manifest.config.digest.hex() + ".json";
  tar.blob(config, store, manifest.config);
  json tags = json::array();
  if (!name.empty()) tags.push_back(name);
  tar.text("manifest.json",
           json::array({{{"Config", config}, {"RepoTags", tags}, {"Layers", layers}}}).dump());
  tar.finish();
}

}  // namespace

void export_image(const Store& store, const Descriptor& image, const std::string& target,
                  const std::string& name) {
  const auto colon = target.find(':');
  const auto kind = target.substr(0, colon);
  auto place = colon == std::string::npos ? std::string() : target.substr(colon + 1);
  if (place.empty() || (kind != "oci" && kind != "oci-archive" && kind != "docker-archive"))
    throw Error(ExitCode::usage, fmt::format("`{}` is no output", target))
        .hint("write `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`");
  if (kind == "oci-archive") return export_oci_archive(store, image, place, name);
  if (kind == "docker-archive") return export_docker_archive(store, image, place, name);
  auto tag = name;
  if (const auto second = place.rfind(':');
      second != std::string::npos && place.find('/', second) == std::string::npos) {
    tag = place.substr(second + 1);
    place.resize(second);
  }
  Store layout(place);
  copy_image(store, image, layout);
  layout.tag(tag.empty() ? "latest" : tag, image);
}

}  // namespace slipway::oci
