#include "cli/transfer_progress.h"

#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/text.h"

namespace slipway::cli {

namespace {

constexpr std::chrono::milliseconds kLineStep{100};
constexpr std::chrono::seconds kPlainStep{5};

}  // namespace

TransferProgress::TransferProgress(const Session& session, std::string what) : what_(harmless(what)) {
  const char* term = std::getenv("TERM");
  const bool terminal = ::isatty(STDERR_FILENO) == 1 && term && std::string_view(term) != "dumb";
  form_ = session.progress == "quiet"             ? Form::none
          : session.progress == "json"            ? Form::json
          : session.progress == "plain"           ? Form::plain
          : session.progress == "tty" || terminal ? Form::line
                                                  : Form::plain;
  if (form_ == Form::plain) fmt::print(stderr, "{}\n", what_);
  if (form_ != Form::line) next_ = std::chrono::steady_clock::now() + kPlainStep;
}

TransferProgress::~TransferProgress() {
  if (form_ == Form::line && shown_) std::fputs("\r\x1b[K", stderr);
}

void TransferProgress::bytes(std::int64_t done, std::int64_t total) {
  if (form_ == Form::none) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + (form_ == Form::line ? std::chrono::milliseconds(kLineStep) : kPlainStep);
  shown_ = true;
  show(done, total);
}

void TransferProgress::show(std::int64_t done, std::int64_t total) {
  if (form_ == Form::json) {
    const nlohmann::json line = {
        {"type", "progress"}, {"text", what_}, {"current", done}, {"total", total}, {"unit", "B"}};
    fmt::print(stderr, "{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  const auto text = fmt::format("{}  {} of {}", what_, format_size(static_cast<std::uint64_t>(done)),
                                format_size(static_cast<std::uint64_t>(total)));
  if (form_ == Form::line)
    fmt::print(stderr, "\r\x1b[K{}", fit(text, 79));
  else
    fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

}  // namespace slipway::cli
