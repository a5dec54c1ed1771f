#include "oci/tar_header.h"

#include <cstring>

#include "base/error.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr std::uint64_t kOctal7 = 07777777;          // 2 MiB - 1: uid, gid, device numbers
constexpr std::uint64_t kOctal11 = 077777777777ull;  // 8 GiB - 1: size, mtime

struct Ustar {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
  char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
static_assert(sizeof(Ustar) == tar_block);

template <std::size_t N>
void put_octal(char (&field)[N], std::uint64_t value) {
  for (std::size_t i = N - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
  field[N - 1] = '\0';
}

template <std::size_t N>
void put_text(char (&field)[N], std::string_view text) {
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

// name and prefix such that prefix + "/" + name is the path; false when it does not fit.
bool put_path(Ustar& header, std::string_view path) {
  if (path.size() <= sizeof header.name) {
    put_text(header.name, path);
    return true;
  }
  for (auto slash = path.find('/'); slash != std::string_view::npos && slash <= sizeof header.prefix;
       slash = path.find('/', slash + 1)) {
    const auto rest = path.substr(slash + 1);
    if (rest.empty() || rest.size() > sizeof header.name) continue;
    put_text(header.prefix, path.substr(0, slash));
    put_text(header.name, rest);
    return true;
  }
  return false;
}

char type_flag(Entry::Type type) {
  switch (type) {
    case Entry::Type::file:
      return '0';
    case Entry::Type::hardlink:
      return '1';
    case Entry::Type::symlink:
      return '2';
    case Entry::Type::character:
      return '3';
    case Entry::Type::block:
      return '4';
    case Entry::Type::dir:
      return '5';
    case Entry::Type::fifo:
      return '6';
  }
  return '0';
}

std::string bytes_of(Ustar& header) {
  put_text(header.magic, std::string_view("ustar\0", 6));
  put_text(header.version, "00");
  std::memset(header.checksum, ' ', sizeof header.checksum);
  std::string out(tar_block, '\0');
  std::memcpy(out.data(), &header, tar_block);
  unsigned sum = 0;
  for (unsigned char c : out) sum += c;
  // Six octal digits, NUL, space: as every tar writes it.
  const auto text = fmt::format("{:06o}", sum);
  std::memcpy(out.data() + offsetof(Ustar, checksum), text.data(), 6);
  out[offsetof(Ustar, checksum) + 6] = '\0';
  return out;
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
void add_record(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  records += fmt::format("{} {}=", length, key);
  records += value;
  records += '\n';
}

std::string pax_header(const std::string& records) {
  Ustar header{};
  // The name is never used; a fixed one keeps the bytes the same everywhere.
  put_text(header.name, "PaxHeaders.0/entry");
  put_octal(header.mode, 0644);
  put_octal(header.uid, 0);
  put_octal(header.gid, 0);
  put_octal(header.size, records.size());
  put_octal(header.mtime, 0);
  header.type = 'x';
  auto out = bytes_of(header);
  out += records;
  out.resize((out.size() + tar_block - 1) / tar_block * tar_block, '\0');
  return out;
}

void check(const Entry& entry) {
  const auto inside = path_inside("/", entry.path);
  if (entry.path.empty() || entry.path.starts_with('/') || entry.path.ends_with('/') || !inside ||
      entry.path.find('\0') != std::string::npos)
    throw Error(ExitCode::internal, fmt::format("`{}` is no path of a layer", entry.path));
}

}  // namespace

std::string tar_header(const Entry& entry) {
  check(entry);
  Ustar header{};
  std::string records;
  const auto path = entry.type == Entry::Type::dir ? entry.path + "/" : entry.path;
  if (!put_path(header, path)) {
    add_record(records, "path", path);
    put_text(header.name, std::string_view(path).substr(0, sizeof header.name));
  }
  if (entry.link.size() > sizeof header.link) add_record(records, "linkpath", entry.link);
  put_text(header.link, entry.link);
  put_octal(header.mode, entry.mode & 07777);
  const bool has_size = entry.type == Entry::Type::file;
  const auto number = [&](auto& field, std::uint64_t value, std::uint64_t most, std::string_view key) {
    if (value > most) add_record(records, key, std::to_string(value));
    put_octal(field, value > most ? 0 : value);
  };
  number(header.uid, entry.uid, kOctal7, "uid");
  number(header.gid, entry.gid, kOctal7, "gid");
  number(header.size, has_size ? entry.size : 0, kOctal11, "size");
  if (entry.mtime < 0) add_record(records, "mtime", std::to_string(entry.mtime));
  number(header.mtime, entry.mtime < 0 ? 0 : static_cast<std::uint64_t>(entry.mtime), kOctal11, "mtime");
  for (const auto& [name, value] : entry.xattrs) add_record(records, "SCHILY.xattr." + name, value);
  header.type = type_flag(entry.type);
  if (entry.type == Entry::Type::character || entry.type == Entry::Type::block) {
    put_octal(header.major, entry.dev_major);
    put_octal(header.minor, entry.dev_minor);
  }
  auto out = records.empty() ? std::string() : pax_header(records);
  out += bytes_of(header);
  return out;
}

}  // namespace slipway::oci
