// The question of an approval and its answer: files in the run's folder, so that whoever sees that folder can
// answer, from the terminal of the run or from another one.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sys/account.h"

namespace slipway::gate {

struct Question {
  std::string step;                   // "approval.prod"
  std::string project, environment;   // that is rolled out, and where to
  std::vector<std::string> by;        // users and groups who may answer; empty: anybody
  std::vector<std::string> lines;     // what would change
  nlohmann::json images;              // service → digest
  std::int64_t asked = 0, until = 0;  // microseconds since the epoch

  bool allows(const Account& who) const;
  std::string who() const;  // "sre or anna"; "anybody"
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Question, step, project, environment, by, lines, images, asked,
                                              until)
};

struct Decision {
  std::string answer;    // "approved" "denied"; "unanswerable": there is nobody who could
  std::string why, how;  // how: "terminal" "--yes" "command"
  std::int64_t at = 0;   // microseconds since the epoch
  Account who;           // the owner of the file, whatever it says: nobody can write in another's name
};

// All files of one run's questions.
std::filesystem::path questions_folder(const std::filesystem::path& state_dir, const std::string& run);

void ask(const std::filesystem::path& folder, const Question& question);
void take_back(const std::filesystem::path& folder, const std::string& step);
// The questions that nobody has answered yet.
std::vector<Question> open_questions(const std::filesystem::path& folder);

// In the name of this process's user. Throws Error(denied) when that user may not decide, or when somebody
// was faster; what stands is what came first.
void decide(const std::filesystem::path& folder, const Question& question, const std::string& answer,
            const std::string& why, const std::string& how);
std::optional<Decision> decision(const std::filesystem::path& folder, const std::string& step);
void forget_decision(const std::filesystem::path& folder, const std::string& step);

}  // namespace slipway::gate
