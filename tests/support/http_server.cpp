#include "support/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "sys/http.h"

namespace slipway::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

// Headers that belong to one connection, not to the message.
bool is_hop(const std::string& name) {
  return name == "connection" || name == "content-length" || name == "transfer-encoding" || name == "expect";
}

}  // namespace

struct HttpServer::Impl {
  Impl(Handler given, std::string to)
      : handler(std::move(given)),
        upstream(std::move(to)),
        acceptor(io, {asio::ip::make_address("127.0.0.1"), 0}),
        thread([this] { serve(); }) {}
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
      // Wakes whoever waits in accept or in a read.
      ::shutdown(acceptor.native_handle(), SHUT_RDWR);
      if (connection >= 0) ::shutdown(connection, SHUT_RDWR);
    }
    thread.join();
  }

  void serve() {
    for (;;) {
      beast::error_code failed;
      asio::ip::tcp::socket socket(io);
      acceptor.accept(socket, failed);
      {
        const std::lock_guard lock(mutex);
        if (failed || ending) return;
        connection = socket.native_handle();
      }
      answer(socket);
      const std::lock_guard lock(mutex);
      connection = -1;
    }
  }

  // One request of one connection: "Connection: close" keeps the order of requests plain.
  void answer(asio::ip::tcp::socket& socket) {
    beast::error_code failed;
    beast::flat_buffer buffer;
    http::request_parser<http::string_body> parser;
    parser.body_limit(1u << 30);
    http::read(socket, buffer, parser, failed);
    if (failed) return;
    const auto& message = parser.get();
    Asked asked{std::string(message.method_string()), std::string(message.target()), {}, message.body()};
    for (const auto& field : message) {
      std::string name(field.name_string());
      for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      asked.headers[name] = std::string(field.value());
    }
    {
      const std::lock_guard lock(mutex);
      all.push_back(asked);
    }
    auto reply = handler(asked);
    if (!reply) reply = pass_on(asked);
    if (reply->hang_up) return;
    std::string text =
        fmt::format("HTTP/1.1 {} {}\r\nConnection: close\r\n", reply->status,
                    std::string(http::obsolete_reason(static_cast<http::status>(reply->status))));
    for (const auto& [name, value] : reply->headers) text += fmt::format("{}: {}\r\n", name, value);
    if (!reply->headers.contains("content-length"))
      text += fmt::format("content-length: {}\r\n", reply->body.size());
    text += "\r\n";
    if (asked.method != "HEAD") text += reply->body.substr(0, reply->cut_after.value_or(reply->body.size()));
    asio::write(socket, asio::buffer(text), failed);
    socket.shutdown(asio::ip::tcp::socket::shutdown_both, failed);
  }

  Reply pass_on(const Asked& asked) {
    HttpRequest request;
    request.method = asked.method;
    request.url = "http://" + upstream + asked.target;
    for (const auto& [name, value] : asked.headers)
      if (!is_hop(name)) request.headers[name] = value;
    if (!asked.body.empty()) request.body = asked.body;
    request.max_body = 1u << 30;
    try {
      const auto response = client.send(request);
      Reply reply;
      reply.status = response.status;
      for (const auto& [name, value] : response.headers)
        if (!is_hop(name) || (name == "content-length" && asked.method == "HEAD"))
          reply.headers[name] = value;
      reply.body = response.body;
      return reply;
    } catch (const Error&) {
      Reply reply;
      reply.hang_up = true;
      return reply;
    }
  }

  const Handler handler;
  const std::string upstream;
  HttpClient client;  // of the thread
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor;
  mutable std::mutex mutex;
  bool ending = false;     // guarded by mutex
  int connection = -1;     // guarded by mutex: the one being served
  std::vector<Asked> all;  // guarded by mutex
  std::thread thread;
};

HttpServer::HttpServer(Handler handler, std::string upstream)
    : impl_(std::make_unique<Impl>(std::move(handler), std::move(upstream))) {}
HttpServer::~HttpServer() = default;

std::string HttpServer::host() const {
  return fmt::format("127.0.0.1:{}", impl_->acceptor.local_endpoint().port());
}

std::vector<Asked> HttpServer::asked() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->all;
}

}  // namespace slipway::test
