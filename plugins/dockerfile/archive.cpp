#include "plugins/dockerfile/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "sys/files.h"

namespace slipway::dockerfile {

namespace {

constexpr std::size_t block = 1u << 18;
constexpr std::uint64_t max_entries = 5'000'000;

struct CloseReader {
  void operator()(struct archive* a) const { ::archive_read_free(a); }
};
struct CloseWriter {
  void operator()(struct archive* a) const { ::archive_write_free(a); }
};
using Reader = std::unique_ptr<struct archive, CloseReader>;
using Writer = std::unique_ptr<struct archive, CloseWriter>;

Reader reader_for(const std::filesystem::path& file) {
  Reader reader(::archive_read_new());
  ::archive_read_support_format_tar(reader.get());
  ::archive_read_support_filter_gzip(reader.get());
  ::archive_read_support_filter_bzip2(reader.get());
  ::archive_read_support_filter_xz(reader.get());
  ::archive_read_support_filter_zstd(reader.get());
  if (::archive_read_open_filename(reader.get(), file.c_str(), block) != ARCHIVE_OK) return {};
  return reader;
}

[[noreturn]] void fail(struct archive* a, const std::filesystem::path& file) {
  const char* why = ::archive_error_string(a);
  throw Error(ExitCode::failed,
              fmt::format("cannot unpack `{}`: {}", file.filename().string(), why ? why : "it is damaged"));
}

std::string inside(const std::filesystem::path& dir, const char* name, const std::filesystem::path& file) {
  std::string relative = name ? name : "";
  while (relative.starts_with('/')) relative.erase(0, 1);
  const auto safe = path_inside(dir, relative);
  if (!safe)
    throw Error(ExitCode::failed,
                fmt::format("`{}` holds `{}`, which leads out of it", file.filename().string(), relative));
  return (dir / safe->lexically_relative(dir)).string();
}

}  // namespace

bool is_archive(const std::filesystem::path& file) {
  const auto reader = reader_for(file);
  struct archive_entry* entry = nullptr;
  // An empty file reads as an empty archive; it is none.
  return reader && ::archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK;
}

void unpack_archive(const std::filesystem::path& file, const std::filesystem::path& dir) {
  const auto root = std::filesystem::canonical(dir);
  const auto reader = reader_for(file);
  if (!reader) throw Error(ExitCode::failed, fmt::format("cannot read `{}`", file.filename().string()));
  const Writer writer(::archive_write_disk_new());
  ::archive_write_disk_set_options(writer.get(), ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
                                                     ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                                     ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                                                     ARCHIVE_EXTRACT_UNLINK);
  std::uint64_t count = 0;
  for (;;) {
    struct archive_entry* entry = nullptr;
    const int got = ::archive_read_next_header(reader.get(), &entry);
    if (got == ARCHIVE_EOF) break;
    if (got < ARCHIVE_WARN) fail(reader.get(), file);
    if (++count > max_entries) throw Error(ExitCode::failed, "the archive has too many members");
    ::archive_entry_set_pathname(entry, inside(root, ::archive_entry_pathname(entry), file).c_str());
    if (const char* link = ::archive_entry_hardlink(entry))
      ::archive_entry_set_hardlink(entry, inside(root, link, file).c_str());
    if (::archive_write_header(writer.get(), entry) < ARCHIVE_WARN) fail(writer.get(), file);
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int read = ARCHIVE_OK;
    while ((read = ::archive_read_data_block(reader.get(), &data, &size, &offset)) == ARCHIVE_OK)
      if (::archive_write_data_block(writer.get(), data, size, offset) < ARCHIVE_OK) fail(writer.get(), file);
    if (read != ARCHIVE_EOF) fail(reader.get(), file);
    if (::archive_write_finish_entry(writer.get()) < ARCHIVE_WARN) fail(writer.get(), file);
  }
  if (::archive_write_close(writer.get()) != ARCHIVE_OK) fail(writer.get(), file);
}

}  // namespace slipway::dockerfile
