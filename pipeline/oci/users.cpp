#include "oci/users.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "base/error.h"
#include "oci/snapshot.h"

namespace slipway::oci {

namespace {

constexpr std::size_t max_file = 10u << 20;

std::string read_inside(int root_fd, const char* path) {
  // O_NONBLOCK: a FIFO in place of the file does not hang us.
  const auto fd = open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK);
  if (!fd) return {};
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  if (static_cast<std::size_t>(st.st_size) > max_file)
    throw Error(ExitCode::usage, fmt::format("`{}` of the image is larger than 10 MiB", path));
  std::string out(static_cast<std::size_t>(st.st_size), '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const auto n = ::read(fd.get(), out.data() + done, out.size() - done);
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  out.resize(done);
  return out;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = line.find(separator);
    out.push_back(line.substr(0, at));
    if (at == std::string_view::npos) return out;
    line.remove_prefix(at + 1);
  }
}

// Calls `take(fields)` for each line of a colon-separated file until it answers true.
template <typename F>
void each_line(std::string_view text, F&& take) {
  for (const auto line : split(text, '\n'))
    if (!line.empty() && line.front() != '#' && take(split(line, ':'))) return;
}

}  // namespace

UserFiles UserFiles::read(int root_fd) {
  return {read_inside(root_fd, "etc/passwd"), read_inside(root_fd, "etc/group")};
}

std::optional<std::uint32_t> find_group(const UserFiles& files, std::string_view group) {
  std::optional<std::uint32_t> found;
  each_line(files.group, [&](const auto& field) {
    if (field.size() < 3 || field[0] != group) return false;
    found = number(field[2]);
    return found.has_value();
  });
  return found ? found : number(group);
}

Identity find_user(const UserFiles& files, std::string_view user) {
  Identity identity;
  const auto colon = user.find(':');
  const auto name = user.substr(0, colon);
  const auto uid = number(name);
  std::string login;
  bool known = false;
  each_line(files.passwd, [&](const auto& field) {
    if (field.size() < 4) return false;
    const auto id = number(field[2]);
    if (!id || !(name.empty() ? *id == 0 : field[0] == name || (uid && *uid == *id))) return false;
    identity.uid = *id;
    identity.gid = number(field[3]).value_or(0);
    if (field.size() > 5 && !field[5].empty()) identity.home = std::string(field[5]);
    login = std::string(field[0]);
    return known = true;
  });
  if (!known && !name.empty()) {
    if (!uid) {
      throw Error(ExitCode::usage, fmt::format("there is no user `{}` in the image", name))
          .hint("add it with `RUN useradd …`, or use a number");
    }
    identity.uid = *uid;
  }
  if (!known && name.empty()) identity.home = "/root";
  if (colon != std::string_view::npos) {
    const auto wanted = user.substr(colon + 1);
    const auto gid = find_group(files, wanted);
    if (!gid) throw Error(ExitCode::usage, fmt::format("there is no group `{}` in the image", wanted));
    identity.gid = *gid;
  } else if (!login.empty()) {
    each_line(files.group, [&](const auto& field) {
      if (field.size() < 4) return false;
      const auto gid = number(field[2]);
      if (!gid || *gid == identity.gid) return false;
      for (const auto member : split(field[3], ','))
        if (member == login) identity.groups.push_back(*gid);
      return false;
    });
  }
  return identity;
}

}  // namespace slipway::oci
