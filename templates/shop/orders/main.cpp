// orders: what was bought. Its data lives in its own Redis; the names of the buyers come from `users` over
// HTTP.
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

std::string setting(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : fallback;
}

// A TCP connection that closes with its owner and never waits longer than three seconds.
class Connection {
 public:
  Connection(const std::string& host, const std::string& port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
      throw std::runtime_error("no such host: " + host);
    fd_ = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
    const timeval limit{3, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int failed = connect(fd_, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (failed) {
      close(fd_);
      throw std::runtime_error("cannot connect to " + host + ":" + port);
    }
  }
  explicit Connection(int fd) : fd_(fd) {
    const timeval limit{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(const std::string& text) {
    for (std::size_t sent = 0; sent < text.size();) {
      const auto n = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) throw std::runtime_error("connection lost");
      sent += static_cast<std::size_t>(n);
    }
  }
  // The next bytes; false at the end.
  bool receive(std::string& into) {
    char buffer[4096];
    const auto n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0) throw std::runtime_error("no answer in time");
    into.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }
  std::string line() {
    for (;;) {
      if (const auto end = pending_.find("\r\n"); end != std::string::npos) {
        auto out = pending_.substr(0, end);
        pending_.erase(0, end + 2);
        return out;
      }
      if (!receive(pending_)) throw std::runtime_error("connection lost");
    }
  }

 private:
  int fd_ = -1;
  std::string pending_;
};

// One Redis command and its answer as a list of strings (RESP2: simple, integer, bulk, array of bulks).
std::vector<std::string> redis(const std::vector<std::string>& words) {
  Connection connection(setting("REDIS_HOST", "orders-db"), setting("REDIS_PORT", "6379"));
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words) request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  connection.send(request);
  const auto head = connection.line();
  if (head.empty() || head[0] == '-') throw std::runtime_error("redis: " + head);
  if (head[0] == '+' || head[0] == ':') return {head.substr(1)};
  std::vector<std::string> out;
  const int count = head[0] == '*' ? std::atoi(head.c_str() + 1) : 1;
  for (int i = 0; i < count; ++i) {
    if (head[0] == '*') connection.line();  // the length of each; our values hold no line ends
    out.push_back(connection.line());
  }
  return out;
}

// id → name, from the users service; empty when it does not answer: orders are still shown then.
std::map<int, std::string> user_names() {
  std::map<int, std::string> names;
  try {
    Connection connection(setting("USERS_HOST", "users"), setting("USERS_PORT", "8080"));
    connection.send("GET /api/users HTTP/1.0\r\nHost: users\r\n\r\n");
    std::string answer;
    while (connection.receive(answer)) {
    }
    static const std::regex user(R"re("id":\s*(\d+),\s*"name":\s*"([^"\\]*)")re");
    for (std::sregex_iterator it(answer.begin(), answer.end(), user), end; it != end; ++it)
      names[std::atoi((*it)[1].str().c_str())] = (*it)[2];
  } catch (const std::exception& e) {
    std::fprintf(stderr, "orders: no names: %s\n", e.what());
  }
  return names;
}

std::string list_orders() {
  redis({"HSETNX", "orders", "1", "1 lamp"});
  redis({"HSETNX", "orders", "2", "2 chair"});
  const auto names = user_names();
  const auto fields = redis({"HGETALL", "orders"});
  std::map<int, std::string> sorted;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) sorted[std::atoi(fields[i].c_str())] = fields[i + 1];
  std::string out = "[";
  for (const auto& [id, order] : sorted) {
    const auto space = order.find(' ');
    const int user = std::atoi(order.substr(0, space).c_str());
    if (out.size() > 1) out += ", ";
    out += "{\"id\": " + std::to_string(id) + ", \"user_id\": " + std::to_string(user);
    if (const auto it = names.find(user); it != names.end()) out += ", \"user\": \"" + it->second + "\"";
    out += ", \"item\": \"" + order.substr(space + 1) + "\"}";
  }
  return out + "]\n";
}

void answer(int fd) {
  try {
    Connection connection(fd);
    const auto request = connection.line();
    while (!connection.line().empty()) {
    }
    std::string status = "200 OK", type = "application/json", body;
    try {
      if (request.rfind("GET /api/orders ", 0) == 0) {
        body = list_orders();
      } else if (request.rfind("GET /healthz ", 0) == 0) {
        redis({"PING"});
        type = "text/plain";
        body = "ok\n";
      } else {
        status = "404 Not Found";
        body = "{\"error\": \"not found\"}\n";
      }
    } catch (const std::exception& e) {
      std::fprintf(stderr, "orders: %s\n", e.what());
      status = "503 Service Unavailable";
      body = "{\"error\": \"the database does not answer\"}\n";
    }
    connection.send("HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
  } catch (const std::exception&) {
    // The client went away: nobody is left to tell.
  }
}

}  // namespace

int main() {
  std::signal(SIGTERM, [](int) { _exit(0); });
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9000);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) || listen(listener, 128)) {
    std::perror("orders: cannot listen on port 9000");
    return 1;
  }
  std::puts("orders: listening on port 9000");
  std::fflush(stdout);
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) std::thread(answer, fd).detach();
  }
}
