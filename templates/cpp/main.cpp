// A small HTTP service: one answer for everybody.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

static std::string answer(const std::string& request) {
  const bool health = request.rfind("GET /healthz ", 0) == 0;
  const char* name = std::getenv("GREETING");
  const std::string body =
      health ? "ok\n" : std::string("{\"hello\": \"") + (name ? name : "world") + "\"}\n";
  return std::string("HTTP/1.1 200 OK\r\nContent-Type: ") + (health ? "text/plain" : "application/json") +
         "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--check") == 0)
    return answer("GET / HTTP/1.1\r\n").find("{\"hello\": \"world\"}") == std::string::npos;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { _exit(0); });
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  if (bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(server, 128) != 0)
    return 1;
  for (;;) {
    const int client = accept(server, nullptr, nullptr);
    if (client < 0) continue;
    char buffer[4096];
    const auto size = read(client, buffer, sizeof buffer);
    const auto text = answer(std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0));
    if (write(client, text.data(), text.size()) < 0) { /* the client has gone */
    }
    close(client);
  }
}
