#include "plugins/gate/queue.h"

#include <unistd.h>

#include <charconv>

#include "base/clock.h"
#include "sys/files.h"

namespace slipway::gate {

namespace {

std::optional<std::uint64_t> number_of(const std::string& name) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), out);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(out) : std::nullopt;
}

// By number. Under the lock of the folder, so that a ticket is never seen before its owner has locked it.
std::map<std::uint64_t, fs::path> tickets(const fs::path& folder) {
  std::map<std::uint64_t, fs::path> out;
  std::error_code none_yet;
  for (const auto& entry : fs::directory_iterator(folder, none_yet))
    if (const auto number = number_of(entry.path().filename().string())) out[*number] = entry.path();
  return out;
}

std::vector<Waiting> waiting_before(const fs::path& folder, std::uint64_t number) {
  std::vector<Waiting> out;
  for (const auto& [other, path] : tickets(folder)) {
    if (other >= number) break;
    if (FileLock::try_lock(path)) {  // its owner is gone
      ::unlink(path.c_str());
      continue;
    }
    const auto content = json::parse(read_file_if_exists(path).value_or(""), nullptr, false);
    if (content.is_object())
      out.push_back({content.value("run", ""), content.value("since", std::int64_t{0})});
  }
  return out;
}

}  // namespace

struct Place::Impl {
  fs::path folder, ticket;
  std::uint64_t number = 1;
  std::optional<FileLock> lock;
};

fs::path queue_folder(const fs::path& state_dir, const std::string& group) {
  return state_dir / "queues" / group;
}

Place::Place(const fs::path& folder, const std::string& run) : impl_(std::make_unique<Impl>()) {
  make_dirs(folder, 0700);
  const auto guard = FileLock::wait(folder / "lock");
  if (const auto all = tickets(folder); !all.empty()) impl_->number = all.rbegin()->first + 1;
  impl_->folder = folder;
  impl_->ticket = folder / std::to_string(impl_->number);
  impl_->lock = FileLock::try_lock(impl_->ticket);
  if (!impl_->lock)
    throw Error(ExitCode::internal, fmt::format("`{}` is locked before it is used", impl_->ticket.string()));
  append_file(impl_->ticket, json({{"run", run}, {"since", now_micros()}}).dump());
}

Place::~Place() {
  ::unlink(impl_->ticket.c_str());
}

std::vector<Waiting> Place::before() const {
  const auto guard = FileLock::wait(impl_->folder / "lock");
  return waiting_before(impl_->folder, impl_->number);
}

std::vector<Waiting> waiting_in(const fs::path& folder) {
  std::error_code ec;
  if (!fs::exists(folder, ec)) return {};
  const auto guard = FileLock::wait(folder / "lock");
  return waiting_before(folder, UINT64_MAX);
}

}  // namespace slipway::gate
