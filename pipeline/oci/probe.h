// Is it healthy? One question to a service (HTTP, TCP connect, or a command run inside it), and the patience
// to ask until the answer is yes (compose-spec "healthcheck", with http and tcp beside test).
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"

namespace slipway::oci {

namespace fs = std::filesystem;

struct Healthcheck {
  enum class Kind { http, tcp, test } kind = Kind::tcp;
  std::string path;               // of http: "/healthz"
  std::vector<std::string> test;  // argv, run inside
  int port = 0;                   // of http and tcp
  Millis interval{2'000};         // from one question's end to the next
  Millis timeout{2'000};          // of one question
  Millis start_period{0};         // failures in it do not count
  int retries = 30;               // so many failures in a row are the end

  // A Service's `healthcheck` (pipeline/README.md); its port is the check's own, else the service's. nullopt
  // when it has none. Throws Error(usage) when http is asked without any port.
  static std::optional<Healthcheck> of_service(const nlohmann::json& service);
  std::string str() const;  // "GET :8080/healthz", "tcp :5432", "`pg_isready -q`"
};

struct ProbeAnswer {
  bool healthy = false;
  std::string text;  // "200 OK", "connection refused", "exit 1: no response"
};

// Whom to ask, and how to run a command inside.
struct ProbeTarget {
  std::string address;  // IPv4
  fs::path netns;       // asked from inside this network namespace; empty: from ours
  // Runs argv inside within the time; needed for Kind::test only.
  std::function<ProbeAnswer(const std::vector<std::string>& argv, Millis timeout, std::stop_token)>
      run_inside;
};

// One question. "No" is an answer; throws only Error(interrupted) and what is wrong on our own side (no such
// namespace). http: any 2xx or 3xx is healthy, redirects are not followed.
ProbeAnswer probe_once(const Healthcheck& check, const ProbeTarget& target, std::stop_token stop = {});

struct ProbeResult {
  bool healthy = false;
  int asked = 0;
  std::string last;  // the last answer's text, or why asking ended
};

// Asks until it is healthy, or `retries` answers after the start period were no, or `ended` says why there is
// no point any more ("it exited: exit 3"). Sleeps between questions, woken by `stop` (Error(interrupted)).
// Calls `on_answer`, when given, after each. On the caller's thread.
ProbeResult wait_healthy(const Healthcheck& check, const ProbeTarget& target,
                         const std::function<std::optional<std::string>()>& ended, std::stop_token stop = {},
                         const std::function<void(const ProbeAnswer&)>& on_answer = {});

}  // namespace slipway::oci
