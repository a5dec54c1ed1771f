#include "plan/graph.h"

#include <queue>

#include "base/error.h"

namespace slipway {

namespace {

using Index = std::unordered_map<std::string, std::size_t>;

Index index_of(const std::vector<Draft>& drafts) {
  Index index;
  for (std::size_t i = 0; i < drafts.size(); ++i) index.emplace(drafts[i].step.name, i);
  return index;
}

// A circle among the drafts that no order was found for: follows needs until a name comes again.
std::string circle(const std::vector<Draft>& drafts, const Index& index,
                   const std::vector<std::size_t>& pending) {
  std::size_t at = 0;
  while (pending[at] == 0) ++at;
  std::vector<std::size_t> path;
  for (;;) {
    if (const auto it = std::find(path.begin(), path.end(), at); it != path.end()) {
      std::string out;
      for (auto i = it; i != path.end(); ++i) out += drafts[*i].step.name + " → ";
      return out + drafts[at].step.name;
    }
    path.push_back(at);
    for (const auto& need : drafts[at].needs) {
      const auto it = index.find(need);
      if (it != index.end() && pending[it->second] > 0) {
        at = it->second;
        break;
      }
    }
  }
}

}  // namespace

std::vector<Step> in_order(std::vector<Draft> drafts) {
  const auto index = index_of(drafts);
  std::vector<std::size_t> pending(drafts.size());
  std::vector<std::vector<std::size_t>> dependents(drafts.size());
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    auto& needs = drafts[i].needs;
    std::sort(needs.begin(), needs.end());
    needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
    std::erase_if(needs, [&](const std::string& name) { return !index.contains(name); });
    for (const auto& need : needs) dependents[index.at(need)].push_back(i);
    pending[i] = needs.size();
  }
  // The smallest place first, so that the order is the given one wherever needs allow it.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < drafts.size(); ++i)
    if (pending[i] == 0) ready.push(i);
  std::vector<Step> steps;
  std::vector<StepId> id_of(drafts.size());
  while (!ready.empty()) {
    const auto i = ready.top();
    ready.pop();
    auto& draft = drafts[i];
    draft.step.id = id_of[i] = static_cast<StepId>(steps.size());
    for (const auto& need : draft.needs) draft.step.needs.push_back(id_of[index.at(need)]);
    steps.push_back(std::move(draft.step));
    for (auto dependent : dependents[i])
      if (--pending[dependent] == 0) ready.push(dependent);
  }
  if (steps.size() < drafts.size())
    throw Error(ExitCode::usage, "steps wait for each other: " + circle(drafts, index, pending))
        .hint("look at their `needs`, `after` and `before`");
  return steps;
}

std::set<std::string> closure(const std::vector<Draft>& drafts, const std::set<std::string>& wanted) {
  const auto index = index_of(drafts);
  std::set<std::string> out;
  std::vector<std::string> open(wanted.begin(), wanted.end());
  while (!open.empty()) {
    auto name = std::move(open.back());
    open.pop_back();
    const auto it = index.find(name);
    if (it == index.end() || !out.insert(name).second) continue;
    for (const auto& need : drafts[it->second].needs) open.push_back(need);
  }
  return out;
}

}  // namespace slipway
