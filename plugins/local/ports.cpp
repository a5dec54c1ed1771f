// Ports of this machine: free or not, and whose.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.h"
#include "plugins/local/balancer.h"
#include "sys/fd.h"
#include "sys/files.h"

namespace slipway::local {

bool is_port_free(int port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno("make a socket", errno);
  const int yes = 1;  // connections of before that are only waiting to be forgotten do not count
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(fd.get(), 1) == 0)
    return true;
  if (errno == EADDRINUSE) return false;
  throw_errno(fmt::format("use port {}", port), errno);
}

std::string listener_of(int port) {
  std::set<std::string> sockets;  // "socket:[123]"
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const auto text = read_file_if_exists(table).value_or("");
    for (std::size_t from = 0; from < text.size();) {
      const auto end = std::min(text.find('\n', from), text.size());
      unsigned local_port = 0, state = 0;
      unsigned long inode = 0;
      if (std::sscanf(text.substr(from, end - from).c_str(),
                      " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*d %*d %lu", &local_port, &state,
                      &inode) == 3 &&
          state == 0x0a && local_port == static_cast<unsigned>(port))
        sockets.insert(fmt::format("socket:[{}]", inode));
      from = end + 1;
    }
  }
  std::error_code ec;
  for (const auto& process : fs::directory_iterator("/proc", ec)) {
    const auto pid = process.path().filename().string();
    if (!std::isdigit(static_cast<unsigned char>(pid[0]))) continue;
    std::error_code ignored;
    for (const auto& fd : fs::directory_iterator(process.path() / "fd", ignored)) {
      if (!sockets.contains(fs::read_symlink(fd.path(), ignored).string())) continue;
      auto name = read_file_if_exists(process.path() / "comm").value_or("");
      while (name.ends_with('\n')) name.pop_back();
      return fmt::format("`{}` (process {})", name, pid);
    }
  }
  return "";
}

}  // namespace slipway::local
