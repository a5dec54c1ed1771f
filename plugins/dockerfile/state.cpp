#include "plugins/dockerfile/state.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "oci/sandbox.h"

namespace slipway::dockerfile {

namespace {

namespace fs = std::filesystem;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// "A=b C=d", or the old "A b c" with one name and the rest of the line.
Pairs pairs(const StageState& state, const Instruction& made) {
  Pairs out;
  if (made.words.at(0).find('=') == std::string::npos) {
    auto rest = made.text.substr(made.words[0].size());
    rest.erase(0, std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (rest.empty())
      throw Error(ExitCode::usage, fmt::format("`{}` has no value", made.words[0]))
          .hint(fmt::format("write `{} {}=VALUE`", made.keyword, made.words[0]));
    out.emplace_back(state.expanded(made.words[0]), state.expanded(rest));
    return out;
  }
  for (const auto& word : made.words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(ExitCode::usage, fmt::format("`{}` is no NAME=VALUE", word));
    out.emplace_back(state.expanded(word.substr(0, equals)), state.expanded(word.substr(equals + 1)));
  }
  return out;
}

void set_env(oci::ImageConfig& config, const std::string& name, const std::string& value) {
  for (auto& entry : config.env)
    if (entry.starts_with(name + "=")) {
      entry = name + "=" + value;
      return;
    }
  config.env.push_back(name + "=" + value);
}

void env(StageState& state, const Instruction& made) {
  const auto all = pairs(state, made);  // all expanded before any is set
  for (const auto& [name, value] : all) {
    set_env(state.config, name, value);
    state.variables[name] = value;
  }
}

void arg(StageState& state, const Instruction& made, const ArgSources& args) {
  for (const auto& word : made.words) {
    const auto equals = word.find('=');
    const auto name = state.expanded(word.substr(0, equals));
    if (const auto it = args.given.find(name); it != args.given.end())
      state.variables[name] = it->second;
    else if (equals != std::string::npos)
      state.variables[name] = state.expanded(word.substr(equals + 1));
    else if (const auto global = args.globals.find(name); global != args.globals.end())
      state.variables[name] = global->second;
  }
}

void insert_sorted(std::vector<std::string>& list, const std::string& item) {
  const auto at = std::lower_bound(list.begin(), list.end(), item);
  if (at == list.end() || *at != item) list.insert(at, item);
}

[[noreturn]] void bad_port(const std::string& text) {
  throw Error(ExitCode::usage, fmt::format("`{}` is no port", text))
      .hint("one is `8080`, `53/udp` or `7000-7010`");
}

int port_number(std::string_view text, const std::string& whole) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > 65535) bad_port(whole);
  return value;
}

void expose(StageState& state, const Instruction& made) {
  for (const auto& word : made.words)
    for (const auto& text : split_quoted(state.expanded(word), state.escape)) {
      const auto slash = text.find('/');
      std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
      std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") bad_port(text);
      const auto ports = text.substr(0, slash);
      const auto dash = ports.find('-');
      const int first = port_number(ports.substr(0, dash), text);
      const int last = dash == std::string::npos ? first : port_number(ports.substr(dash + 1), text);
      if (last < first) bad_port(text);
      for (int port = first; port <= last; ++port)
        insert_sorted(state.config.exposed_ports, fmt::format("{}/{}", port, protocol));
    }
}

void volume(StageState& state, const Instruction& made) {
  for (const auto& word : made.words) {
    const auto path = state.expanded(word);
    if (path.empty()) throw Error(ExitCode::usage, "a `VOLUME` has an empty path");
    insert_sorted(state.config.volumes, path);
  }
}

void stop_signal(StageState& state, const Instruction& made) {
  auto name = state.expanded(made.words.at(0));
  std::string plain = name.starts_with("SIG") ? name.substr(3) : name;
  static const std::set<std::string> known = {
      "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1", "SEGV",
      "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN", "TTOU",
      "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS"};
  int number = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), number);
  const bool is_number =
      error == std::errc{} && end == plain.data() + plain.size() && number >= 1 && number <= 64;
  if (!is_number && !known.contains(plain) && !plain.starts_with("RTM"))
    throw Error(ExitCode::usage, fmt::format("`{}` is no signal", name)).hint("one is `SIGTERM` or `15`");
  state.config.stop_signal = name;
}

std::int64_t nanoseconds(const StageState& state, const Instruction& made, const char* flag) {
  const auto text = state.expanded(made.flag_value(flag));
  if (text.empty()) return 0;
  const auto value = parse_duration(text);
  if (!value)
    throw Error(ExitCode::usage, fmt::format("`--{}={}` is no duration", flag, text))
        .hint("one is `30s` or `1m30s`");
  return std::chrono::duration_cast<std::chrono::nanoseconds>(*value).count();
}

void healthcheck(StageState& state, const Instruction& made) {
  oci::ImageHealthcheck check;
  if (made.trigger.empty()) {
    check.test = {"NONE"};
    state.config.healthcheck = check;
    return;
  }
  const auto& command = made.trigger.front();
  if (command.json) {
    check.test = {"CMD"};
    check.test.insert(check.test.end(), command.words.begin(), command.words.end());
  } else {
    check.test = {"CMD-SHELL", command.text};
  }
  check.interval_ns = nanoseconds(state, made, "interval");
  check.timeout_ns = nanoseconds(state, made, "timeout");
  check.start_period_ns = nanoseconds(state, made, "start-period");
  if (const auto text = state.expanded(made.flag_value("retries")); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), check.retries);
    if (error != std::errc{} || end != text.data() + text.size() || check.retries < 0)
      throw Error(ExitCode::usage, fmt::format("`--retries={}` is no count", text));
  }
  state.config.healthcheck = check;
}

}  // namespace

void StageState::begin(const oci::ImageConfig& base) {
  config = base;
  config.healthcheck = base.healthcheck;
  bool path = false;
  for (const auto& entry : config.env) {
    const auto equals = entry.find('=');
    if (equals != std::string::npos) variables[entry.substr(0, equals)] = entry.substr(equals + 1);
    path = path || entry.starts_with("PATH=");
  }
  if (!path) {
    set_env(config, "PATH", std::string(oci::default_path));
    variables["PATH"] = oci::default_path;
  }
  cmd_set = false;
}

std::vector<std::string> StageState::shell() const {
  return config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell;
}

std::vector<std::string> StageState::command(const Instruction& made) const {
  if (made.json) return made.words;
  if (made.text.empty()) return {};
  auto out = shell();
  out.push_back(made.text);
  return out;
}

std::string StageState::absolute(const std::string& path) const {
  const auto base = fs::path(config.working_dir.empty() ? "/" : config.working_dir);
  auto out = (base / path).lexically_normal().string();
  // "x/." and "" mean the folder, too.
  const bool folder = path.empty() || path.ends_with('/') || path == "." || path == ".." ||
                      path.ends_with("/.") || path.ends_with("/..");
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  if (folder && out != "/") out += '/';
  return out;
}

bool apply(StageState& state, const Instruction& made, const ArgSources& args) {
  auto& config = state.config;
  const auto& word = made.keyword;
  if (word == "ARG") {
    arg(state, made, args);
  } else if (word == "CMD") {
    config.cmd = state.command(made);
    state.cmd_set = true;
  } else if (word == "ENTRYPOINT") {
    config.entrypoint = state.command(made);
    if (!state.cmd_set) config.cmd.clear();
  } else if (word == "ENV") {
    env(state, made);
  } else if (word == "EXPOSE") {
    expose(state, made);
  } else if (word == "HEALTHCHECK") {
    healthcheck(state, made);
  } else if (word == "LABEL") {
    for (const auto& [name, value] : pairs(state, made)) config.labels[name] = value;
  } else if (word == "MAINTAINER") {
    config.author = state.expanded(made.text);
  } else if (word == "SHELL") {
    config.shell = made.words;
  } else if (word == "STOPSIGNAL") {
    stop_signal(state, made);
  } else if (word == "USER") {
    config.user = state.expanded(made.words.at(0));
  } else if (word == "VOLUME") {
    volume(state, made);
  } else if (word == "WORKDIR") {
    auto path = state.absolute(state.expanded(made.text));
    if (path.size() > 1 && path.ends_with('/')) path.pop_back();
    config.working_dir = path;
  } else {
    return false;
  }
  return true;
}

}  // namespace slipway::dockerfile
