#include "cli/output_file.h"

#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <charconv>

#include "base/error.h"

namespace slipway::cli {

void OutputFile::write(std::string_view bytes) {
  while (!bytes.empty() && !error_) {
    const auto n = ::write(fd_, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      // Somebody made our terminal or pipe non-blocking.
      pollfd waiting{fd_, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
}

OutputFile open_events(const std::string& target) {
  if (target == "-") return OutputFile(STDOUT_FILENO);
  if (target.starts_with("fd:")) {
    int number = -1;
    const char* end = target.data() + target.size();
    const auto [rest, failed] = std::from_chars(target.data() + 3, end, number);
    if (failed != std::errc() || rest != end || number < 0 || ::fcntl(number, F_GETFD) < 0) {
      throw Error(ExitCode::usage, fmt::format("`{}` is no open file descriptor", target))
          .hint("open it first, as in `slipway run --events fd:3 3>events.ndjson`");
    }
    return OutputFile(number);
  }
  Fd fd(::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) throw_errno(fmt::format("write `{}`", target), errno);
  return OutputFile(std::move(fd));
}

}  // namespace slipway::cli
