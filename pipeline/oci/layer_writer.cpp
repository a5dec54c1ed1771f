// A layer being written: tar, hashed, compressed, hashed again and stored in one pass.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "oci/compressor.h"
#include "oci/layer.h"
#include "oci/tar_header.h"

namespace slipway::oci {

namespace {

constexpr std::size_t kReadStep = 256u << 10;
constexpr std::size_t kTarRecord = 2 * tar_block;  // what ends an archive: two zero blocks

std::string_view media_type(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return media::layer_gzip;
    case Compression::zstd:
      return media::layer_zstd;
    case Compression::none:
      break;
  }
  return media::layer;
}

// The path of a sibling, ".wh.NAME" for "dir/NAME".
std::string marker(const std::string& path, std::string_view prefix) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return std::string(prefix) + path;
  return path.substr(0, slash + 1) + std::string(prefix) + path.substr(slash + 1);
}

}  // namespace

struct LayerWriter::Impl {
  Impl(const Store& store, Compression how)
      : compression(how),
        blob(store.writer()),
        compressor(how, [this](std::string_view bytes) { blob.write(bytes); }) {}

  void write(std::string_view bytes) {
    tar.update(bytes);
    compressor.write(bytes);
  }
  void pad(std::uint64_t size) {
    static const std::string zeros(tar_block, '\0');
    if (const auto over = size % tar_block) write(std::string_view(zeros).substr(over));
  }

  Compression compression;
  BlobWriter blob;
  Compressor compressor;
  Hasher tar;
  std::string buffer;
  bool empty = true;
};

LayerWriter::LayerWriter(const Store& store, Compression compression)
    : impl_(std::make_unique<Impl>(store, compression)) {}
LayerWriter::~LayerWriter() = default;

bool LayerWriter::empty() const {
  return impl_->empty;
}

void LayerWriter::add(const Entry& entry) {
  impl_->empty = false;
  impl_->write(tar_header(entry));
}

void LayerWriter::add_file(const Entry& entry, std::string_view content) {
  Entry whole = entry;
  whole.type = Entry::Type::file;
  whole.size = content.size();
  add(whole);
  impl_->write(content);
  impl_->pad(content.size());
}

void LayerWriter::add_file(const Entry& entry, const fs::path& content) {
  const Fd fd(::open(content.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) throw_errno(fmt::format("read `{}`", content.string()), errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw_errno(fmt::format("read `{}`", content.string()), errno);
  const auto changed = [&] {
    return Error(ExitCode::failed, fmt::format("`{}` changed while it was read", content.string()))
        .hint("run it again when nothing writes there")
        .retryable();
  };
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != entry.size) throw changed();
  add(entry);
  impl_->buffer.resize(kReadStep);
  for (std::uint64_t left = entry.size; left > 0;) {
    const auto count = ::read(fd.get(), impl_->buffer.data(), std::min<std::uint64_t>(left, kReadStep));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno(fmt::format("read `{}`", content.string()), errno);
    if (count == 0) throw changed();
    impl_->write({impl_->buffer.data(), static_cast<std::size_t>(count)});
    left -= static_cast<std::uint64_t>(count);
  }
  char more;
  if (::read(fd.get(), &more, 1) > 0) throw changed();
  impl_->pad(entry.size);
}

void LayerWriter::whiteout(const std::string& path) {
  Entry entry;
  entry.path = marker(path, ".wh.");
  add(entry);
}

void LayerWriter::opaque(const std::string& dir) {
  Entry entry;
  entry.path = (dir.empty() ? "" : dir + "/") + std::string(".wh..wh..opq");
  add(entry);
}

Layer LayerWriter::finish() {
  impl_->write(std::string(kTarRecord, '\0'));
  impl_->compressor.finish();
  Layer layer;
  layer.diff_id = impl_->tar.finish();
  layer.descriptor.media_type = media_type(impl_->compression);
  layer.descriptor.size = impl_->blob.size();
  layer.descriptor.digest = impl_->blob.commit();
  return layer;
}

}  // namespace slipway::oci
