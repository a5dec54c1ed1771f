#include "plugins/local/balancer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <thread>

#include "sys/fd.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::local {

namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(at, from), text.size());
    out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

template <typename F>
bool wait_until(Millis limit, F&& done) {
  const auto deadline = Clock::now() + limit;
  while (!done()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace

Balancer::Balancer(fs::path dir, std::string socket) : dir_(std::move(dir)), socket_(std::move(socket)) {}

Balancer::Record Balancer::load() const {
  Record record;
  const auto text = read_file_if_exists(dir_ / "balancer.json");
  const auto from = json::parse(text.value_or("{}"), nullptr, false);
  if (!from.is_object()) return record;
  record.structure = from.value("structure", "");
  record.published = from.value("published", std::vector<int>{});
  for (const auto& process : from.value("processes", json::array())) {
    const ProcessId id{process.at(0).get<pid_t>(), process.at(1).get<std::uint64_t>()};
    if (is_alive(id)) record.processes.push_back(id);
  }
  return record;
}

void Balancer::save(const Record& record) const {
  json processes = json::array();
  for (const auto& process : record.processes) processes.push_back({process.pid, process.start});
  write_file_atomic(
      dir_ / "balancer.json",
      json{{"processes", processes}, {"structure", record.structure}, {"published", record.published}}
          .dump());
}

bool Balancer::running() const {
  if (load().processes.empty()) return false;
  try {
    return ask("show info").find("Pid:") != std::string::npos;
  } catch (const Error&) {
    return false;
  }
}

std::set<int> Balancer::published() const {
  const auto record = load();
  if (record.processes.empty()) return {};
  return {record.published.begin(), record.published.end()};
}

std::string Balancer::ask(const std::string& command) const {
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw_errno(fmt::format("reach HAProxy at `{}`", socket_), errno);
  const auto line = command + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    throw_errno("talk to HAProxy", errno);
  std::string answer;
  char buffer[16384];
  for (;;) {
    pollfd ready{fd.get(), POLLIN, 0};
    if (::poll(&ready, 1, 10'000) <= 0)
      throw Error(ExitCode::timeout, fmt::format("HAProxy gives no answer to `{}`", command));
    const auto count = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("talk to HAProxy", errno);
    if (count == 0) break;
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  while (answer.ends_with('\n')) answer.pop_back();
  return answer;
}

void Balancer::tell(const std::string& command) const {
  const auto answer = ask(command);
  // Good news are told too, in these words.
  if (answer.empty() || answer.find("registered") != std::string::npos ||
      answer.find("deleted") != std::string::npos)
    return;
  throw Error(ExitCode::unavailable, fmt::format("HAProxy refuses `{}`: {}", command, answer));
}

std::vector<Balancer::Server> Balancer::servers() const {
  // "show stat -1 4 -1": every proxy, servers only. Columns by name, from the first line.
  const auto lines = split(ask("show stat -1 4 -1"), '\n');
  std::map<std::string, std::size_t> column;
  if (lines.empty() || !lines[0].starts_with("# ")) return {};
  const auto names = split(lines[0].substr(2), ',');
  for (std::size_t i = 0; i < names.size(); ++i) column[names[i]] = i;
  std::vector<Server> out;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = split(lines[i], ',');
    if (fields.size() < names.size()) continue;
    const auto at = [&](const char* name) { return fields[column.at(name)]; };
    out.push_back({at("pxname"), at("svname"), at("status"), std::atoll(at("scur").c_str())});
  }
  return out;
}

std::map<std::string, std::string> Balancer::statuses() const {
  std::map<std::string, std::string> out;
  if (load().processes.empty()) return out;
  for (const auto& server : servers()) {
    auto& status = out[server.id];
    // "UP 1/3": still up, but failing.
    const auto word = server.status.starts_with("UP") ? std::string("UP")
                                                      : server.status.substr(0, server.status.find(' '));
    if (status.empty() || status == "UP") status = word;
  }
  return out;
}

void Balancer::start(const std::vector<Route>& routes, Record record) {
  const auto program = require_program("haproxy");
  make_dirs(dir_, 0700);
  const auto config = dir_ / "haproxy.cfg", pid_file = dir_ / "haproxy.pid";
  write_file_atomic(config, haproxy_config(routes, socket_, true), 0600);
  fs::remove(pid_file);
  Command command;
  // A session of its own from the start: it leaves ours only after the command that started it has ended, and
  // what is then left of a command's process group is killed.
  command.argv = {"setsid", "--wait", program.string(), "-D", "-f", config.string(), "-p", pid_file.string()};
  if (!record.processes.empty()) {
    command.argv.insert(command.argv.end(), {"-x", socket_, "-sf"});
    for (const auto& process : record.processes) command.argv.push_back(std::to_string(process.pid));
  }
  std::string said;
  WaitOptions options;
  options.timeout = Millis{20'000};
  const auto finished = run_process(
      command, [&](Stream, std::string_view text) { said += text; }, options);
  if (!finished.status.ok())
    throw Error(ExitCode::unavailable, fmt::format("HAProxy does not start: {}", finished.status.str()))
        .detail(said);
  const pid_t pid = std::atoi(read_file(pid_file).c_str());
  const auto answers = [&] {
    try {
      return ask("show info").find(fmt::format("\nPid: {}\n", pid)) != std::string::npos;
    } catch (const Error&) {
      return false;
    }
  };
  if (!wait_until(Millis(10'000), answers))
    throw Error(ExitCode::unavailable, "HAProxy ended right after its start").detail(said);
  record.processes.push_back({pid, start_of(pid)});
  record.structure = haproxy_config(routes, socket_, false);
  record.published.clear();
  for (const auto& route : routes)
    if (route.publish) record.published.push_back(route.publish);
  save(record);
}

void Balancer::change_servers(const std::vector<Route>& routes) {
  std::map<std::pair<std::string, std::string>, Server> known;
  for (const auto& server : servers()) known[{server.backend, server.id}] = server;
  std::set<std::pair<std::string, std::string>> wanted;
  for (const auto& route : routes) {
    for (const int port : route.ports) {
      for (const auto& server : route.servers) {
        const auto backend = backend_name(route.service, port);
        const auto name = backend + "/" + server.id;
        wanted.insert({backend, server.id});
        const auto it = known.find({backend, server.id});
        if (it == known.end()) {
          tell(fmt::format("add server {} {}", name, server_words(route, port, server)));
          tell("enable health " + name);
          tell("enable server " + name);
        } else if (it->second.status.starts_with("DRAIN") || it->second.status.starts_with("MAINT")) {
          tell(fmt::format("set server {} state ready", name));
        }
      }
    }
  }
  // Each was found healthy before it came here; HAProxy's own first look decides.
  const bool up = wait_until(Millis(10'000), [&] {
    for (const auto& server : servers())
      if (wanted.contains({server.backend, server.id}) && !server.status.starts_with("UP") &&
          server.status != "no check")
        return false;
    return true;
  });
  if (!up) throw Error(ExitCode::unavailable, "a replica that was healthy does not answer HAProxy");
  for (const auto& [name, server] : known)
    if (!wanted.contains(name) && !server.status.starts_with("MAINT"))
      tell(fmt::format("set server {}/{} state drain", name.first, name.second));
  write_file_atomic(dir_ / "haproxy.cfg", haproxy_config(routes, socket_, true), 0600);
}

void Balancer::apply(const std::vector<Route>& routes) {
  const bool runs = running();
  if (runs && load().structure == haproxy_config(routes, socket_, false)) return change_servers(routes);
  start(routes, runs ? load() : Record{});
}

void Balancer::finish(Millis http_limit, Millis tcp_limit) {
  const auto config = read_file_if_exists(dir_ / "haproxy.cfg").value_or("");
  const auto is_wanted = [&](const Server& server) {
    return config.find(fmt::format("  server {} ", server.id)) != std::string::npos;
  };
  const auto is_http = [&](const Server& server) {
    return config.find(fmt::format("backend {}\n  mode http", server.backend)) != std::string::npos;
  };
  const auto begin = Clock::now();
  for (;;) {
    bool waiting = false;
    for (const auto& server : servers()) {
      if (is_wanted(server)) continue;
      const auto name = server.backend + "/" + server.id;
      const bool over = Clock::now() - begin > (is_http(server) ? http_limit : tcp_limit);
      if (server.sessions > 0 && !over) {
        waiting = true;
        continue;
      }
      tell(fmt::format("set server {} state maint", name));
      if (server.sessions > 0) ask("shutdown sessions server " + name);
      // Connections that are kept for reuse are closed a moment later; one that stays goes with the next
      // reload.
      wait_until(Millis(1'000),
                 [&] { return ask("del server " + name).find("deleted") != std::string::npos; });
    }
    if (!waiting) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Balancer::stop() {
  const auto record = load();
  for (const auto& process : record.processes) ::kill(process.pid, SIGTERM);
  wait_until(Millis(5'000), [&] {
    return std::none_of(record.processes.begin(), record.processes.end(),
                        [](const auto& p) { return is_alive(p); });
  });
  for (const auto& process : record.processes)
    if (is_alive(process)) ::kill(process.pid, SIGKILL);
  std::error_code ec;
  fs::remove(socket_, ec);
  remove_tree(dir_);
}

}  // namespace slipway::local
