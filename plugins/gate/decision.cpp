#include "plugins/gate/decision.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "base/utc.h"
#include "sys/files.h"

namespace slipway::gate {

using nlohmann::json;

namespace {

constexpr std::uint64_t kMaxFile = 16 << 20;

fs::path question_file(const fs::path& folder, const std::string& step) {
  return folder / (step + ".question.json");
}
fs::path answer_file(const fs::path& folder, const std::string& step) {
  return folder / (step + ".answer.json");
}

}  // namespace

bool Question::allows(const Account& account) const {
  return by.empty() || std::any_of(by.begin(), by.end(), [&](const auto& name) { return account.is(name); });
}

std::string Question::who() const {
  std::string out;
  for (const auto& name : by) out += (out.empty() ? "" : " or ") + name;
  return out.empty() ? "anybody" : out;
}

fs::path questions_folder(const fs::path& state_dir, const std::string& run) {
  return state_dir / "runs" / run / "approvals";
}

void ask(const fs::path& folder, const Question& question) {
  make_dirs(folder, 0700);
  write_file_atomic(question_file(folder, question.step), json(question).dump(1) + "\n", 0600);
}

void take_back(const fs::path& folder, const std::string& step) {
  std::error_code ec;
  fs::remove(question_file(folder, step),
             ec);  // one that stays is of a run that has ended: nobody answers it
}

std::vector<Question> open_questions(const fs::path& folder) {
  std::vector<Question> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    const auto name = entry.path().filename().string();
    if (!name.ends_with(".question.json")) continue;
    const auto parsed = json::parse(read_file_if_exists(entry.path(), kMaxFile).value_or(""), nullptr, false);
    if (!parsed.is_object()) continue;  // taken back in this moment
    auto question = parsed.get<Question>();
    if (!fs::exists(answer_file(folder, question.step))) out.push_back(std::move(question));
  }
  return out;
}

void decide(const fs::path& folder, const Question& question, const std::string& answer,
            const std::string& why, const std::string& how) {
  const auto who = own_account();
  if (answer != "unanswerable" && !question.allows(who))
    throw Error(ExitCode::denied, fmt::format("`{}` may not decide on `{}`", who.name, question.environment))
        .hint(fmt::format("the spec asks for {}", question.who()));
  const json content = {
      {"answer", answer}, {"by", who.name}, {"why", why}, {"how", how}, {"at", format_utc(now_micros())}};
  const auto file = answer_file(folder, question.step);
  const auto draft = folder / fmt::format("{}.{}.draft", question.step, ::getpid());
  write_file_atomic(draft, content.dump(1) + "\n", 0600);
  // Unlike a rename, a link does not take the place of an answer that is there.
  const int failure = ::link(draft.c_str(), file.c_str()) == 0 ? 0 : errno;
  ::unlink(draft.c_str());
  if (failure == EEXIST) {
    const auto first = decision(folder, question.step);
    throw Error(ExitCode::denied, first ? fmt::format("`{}` was faster: {}", first->who.name, first->answer)
                                        : fmt::format("`{}` was decided already", question.step));
  }
  if (failure) throw_errno(fmt::format("write `{}`", file.string()), failure);
}

std::optional<Decision> decision(const fs::path& folder, const std::string& step) {
  const Fd fd(::open(answer_file(folder, step).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      static_cast<std::uint64_t>(info.st_size) > kMaxFile)
    return std::nullopt;
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  if (::read(fd.get(), text.data(), text.size()) != info.st_size) return std::nullopt;
  const auto content = json::parse(text, nullptr, false);
  if (!content.is_object()) return std::nullopt;
  Decision out;
  out.answer = content.value("answer", std::string());
  out.why = content.value("why", std::string());
  out.how = content.value("how", std::string());
  out.at = parse_utc(content.value("at", std::string())).value_or(0);
  out.who = account_of(info.st_uid);
  return out;
}

void forget_decision(const fs::path& folder, const std::string& step) {
  if (::unlink(answer_file(folder, step).c_str()) != 0 && errno != ENOENT)
    throw_errno(fmt::format("remove `{}`", answer_file(folder, step).string()), errno);
}

}  // namespace slipway::gate
