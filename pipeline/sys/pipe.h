// Writing to a pipe whose reader may have gone.
#pragma once
#include <sys/types.h>

#include <string_view>

namespace slipway {

// As write(2); a gone reader is EPIPE and never SIGPIPE, whatever the program does about that signal.
ssize_t write_to_pipe(int fd, std::string_view bytes);

}  // namespace slipway
