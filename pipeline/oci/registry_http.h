// Requests to one registry: scheme, logins, retries, redirects; what the client above needs not know.
#pragma once
#include <map>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "oci/registry_client.h"
#include "sys/http.h"

namespace slipway::oci {

// One repository of one registry, as the network knows it.
struct Endpoint {
  std::string host;        // "registry-1.docker.io", "127.0.0.1:5000"
  std::string repository;  // with the prefix of a mirror
  std::string registry;    // the user's name for it: for logins and messages
  std::string mount_from;  // another repository here that is to be read as well
};

// Where a reference really lies: the longest mirror wins.
Endpoint endpoint_of(const Reference& reference, const RegistryOptions& options);

class RegistryHttp {
 public:
  RegistryHttp(const RegistryOptions& options, std::stop_token stop)
      : options_(options), stop_(std::move(stop)) {}

  // `path` is below /v2/REPOSITORY/, or a whole URL (an upload's Location). Logs in when asked to, tries
  // again what may pass, follows redirects. Statuses of 2xx and 404 come back; every other is an Error: auth
  // for 401 and 403, unavailable else. `actions` is "pull" or "pull,push". A request with read_body is sent
  // once.
  HttpResponse send(const Endpoint& endpoint, const std::string& path, HttpRequest request,
                    const std::string& actions);

  // The URL of a path below the repository.
  std::string url_of(const Endpoint& endpoint, const std::string& path);

  // Runs `attempt` again, after a growing pause, while it throws retryable errors; at most 4 times in all.
  template <typename F>
  auto with_retries(F&& attempt) {
    for (int number = 1;; ++number) {
      try {
        return attempt();
      } catch (const Error& e) {
        if (!e.is_retryable() || number == kAttempts || stop_.stop_requested()) throw;
      }
      pause(number);
    }
  }

 private:
  static constexpr int kAttempts = 4;
  void pause(int number);
  const std::string& base_url(const Endpoint& endpoint);
  HttpResponse send_once(const Endpoint& endpoint, const std::string& url, const HttpRequest& request,
                         const std::string& actions);
  HttpResponse follow(HttpRequest request);
  void check_way(const Url& from, const Url& to) const;
  void note_pause(const HttpResponse& response);
  void secure(HttpRequest& request) const;
  std::string authorization(const Endpoint& endpoint, const std::string& challenge,
                            const std::string& actions);
  std::string token(const Endpoint& endpoint, const std::map<std::string, std::string>& challenge,
                    const std::string& actions);
  [[noreturn]] void refused(const Endpoint& endpoint, const HttpResponse& response,
                            const std::string& actions) const;
  const Credentials& credentials(const std::string& registry);

  const RegistryOptions& options_;
  std::stop_token stop_;
  HttpClient http_;
  Millis asked_pause_{0};                             // Retry-After
  std::map<std::string, std::string> base_urls_;      // host → "https://host"
  std::map<std::string, Credentials> credentials_;    // by registry
  std::map<std::string, std::string> authorization_;  // host, repository and actions → header
};

}  // namespace slipway::oci
