#include "base/diagnostics.h"

#include "base/error.h"

namespace slipway {

void Diagnostics::source(std::string file, std::string text) {
  sources_[std::move(file)] = std::move(text);
}

void Diagnostics::error(Location where, std::string message, std::string hint) {
  if (where.known() && !told_.emplace(where.file, where.line, where.column, message).second) return;
  ++errors_;
  items_.push_back({Diagnostic::Severity::error, std::move(message), std::move(hint), std::move(where)});
}

void Diagnostics::warning(Location where, std::string message, std::string hint) {
  items_.push_back({Diagnostic::Severity::warning, std::move(message), std::move(hint), std::move(where)});
}

namespace {

// The lines of `text` numbered first..last (from 1), without their ends.
std::vector<std::string_view> lines_between(std::string_view text, int first, int last) {
  std::vector<std::string_view> out;
  std::size_t from = 0;
  for (int n = 1; from <= text.size() && n <= last; ++n) {
    auto to = text.find('\n', from);
    if (to == std::string_view::npos) to = text.size();
    auto line = text.substr(from, to - from);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (n >= first) out.push_back(line);
    from = to + 1;
  }
  return out;
}

}  // namespace

std::string code_frame(std::string_view text, const Location& where, int context) {
  if (where.line <= 0) return {};
  const int first = std::max(1, where.line - context);
  const auto lines = lines_between(text, first, where.line + context);
  if (static_cast<int>(lines.size()) <= where.line - first) return {};
  std::string out;
  int number = first;
  for (auto line : lines) {
    // A line can be endless or hold control characters: neither may reach the terminal.
    std::string shown;
    for (char c : line.substr(0, 200)) shown += (static_cast<unsigned char>(c) < 0x20 && c != '\t') ? '?' : c;
    out += fmt::format("  {:>4} | {}\n", number, shown);
    if (number == where.line && where.column > 0 && where.column <= 200) {
      std::string pad;
      int column = 1;
      for (std::size_t i = 0; i < shown.size() && column < where.column; ++i) {
        if ((static_cast<unsigned char>(shown[i]) & 0xC0) == 0x80) continue;
        pad += shown[i] == '\t' ? '\t' : ' ';
        ++column;
      }
      out += fmt::format("       | {}^{}\n", pad,
                         std::string(std::max(0, std::min(where.length, 100) - 1), '~'));
    }
    ++number;
  }
  return out;
}

std::string Diagnostics::render() const {
  std::string out;
  for (const auto& d : in_order()) {
    if (d.where.known()) out += d.where.str() + ": ";
    if (d.severity == Diagnostic::Severity::warning) out += "warning: ";
    out += d.message + "\n";
    if (auto it = sources_.find(d.where.file); it != sources_.end()) out += code_frame(it->second, d.where);
    if (!d.hint.empty()) out += "  hint: " + d.hint + "\n";
  }
  return out;
}

void Diagnostics::throw_if_errors() const {
  if (!has_errors()) return;
  auto text = render();
  if (text.ends_with('\n')) text.pop_back();
  const auto first = in_order().front().where;
  if (first.known()) text.erase(0, first.str().size() + 2);
  throw Error(ExitCode::usage, text).at(first);
}

std::vector<Diagnostic> Diagnostics::in_order() const {
  auto sorted = items_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::tie(a.where.file, a.where.line, a.where.column) <
           std::tie(b.where.file, b.where.line, b.where.column);
  });
  return sorted;
}

}  // namespace slipway
