#include "oci/registry_http.h"

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "base/error.h"
#include "sys/base64.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

constexpr int kMaxRedirects = 5;
constexpr std::uint64_t kMaxTokenBody = 128u << 10;
constexpr Millis kLongestPause{300'000};  // a registry that asks for more is not waited for

std::string url_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~')
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

// `Bearer realm="…",service="…",scope="…"` (RFC 7235): scheme in lower case, parameters by name.
std::map<std::string, std::string> parse_challenge(std::string_view text, std::string& scheme) {
  std::map<std::string, std::string> out;
  const auto space = text.find(' ');
  scheme = text.substr(0, space);
  for (auto& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::size_t at = space == std::string_view::npos ? text.size() : space + 1;
  while (at < text.size()) {
    at = text.find_first_not_of(" ,", at);
    if (at == std::string_view::npos) break;
    const auto equals = text.find('=', at);
    if (equals == std::string_view::npos) break;
    const std::string name(text.substr(at, equals - at));
    at = equals + 1;
    std::string value;
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value += text[at];
      }
      ++at;
    } else {
      const auto end = std::min(text.find(',', at), text.size());
      value = text.substr(at, end - at);
      at = end;
    }
    out[name] = value;
  }
  return out;
}

// The first message of the spec's error document, or what can be said of another answer.
std::string error_text(const HttpResponse& response) {
  const auto body = json::parse(response.body, nullptr, false);
  if (body.is_object() && body.contains("errors") && body["errors"].is_array() && !body["errors"].empty()) {
    const auto& first = body["errors"][0];
    if (first.is_object()) {
      const auto text = first.value("message", first.value("code", std::string()));
      if (!text.empty()) return text.substr(0, 300);
    }
  }
  if (response.body.find("<html") != std::string::npos || response.body.find("<HTML") != std::string::npos ||
      response.header("content-type").starts_with("text/html"))
    return "it answers with a web page";
  return {};
}

// 169.254.0.0/16 and fe80::/10, written as an address.
bool is_link_local(std::string_view host) {
  if (host.starts_with("169.254.")) return true;
  return host.find(':') != std::string_view::npos && host.size() > 3 && host.starts_with("fe") &&
         std::string_view("89ab").find(host[2]) != std::string_view::npos;
}

std::string certificate_folder_file(const std::string& host, const char* name) {
  std::vector<fs::path> folders;
  if (const char* home = std::getenv("HOME"); home && *home)
    folders.push_back(fs::path(home) / ".config/containers/certs.d");
  folders.emplace_back("/etc/containers/certs.d");
  folders.emplace_back("/etc/docker/certs.d");
  for (const auto& folder : folders) {
    std::error_code ec;
    if (const auto file = folder / host / name; fs::exists(file, ec)) return file.string();
  }
  return {};
}

}  // namespace

Endpoint endpoint_of(const Reference& reference, const RegistryOptions& options) {
  const auto name = reference.name();
  Endpoint out{reference.registry, reference.repository, reference.registry, {}};
  std::size_t longest = 0;
  for (const auto& [prefix, to] : options.mirrors) {
    const bool fits = name == prefix || name.starts_with(prefix + "/");
    if (!fits || prefix.size() <= longest) continue;
    longest = prefix.size();
    const auto place = to + name.substr(prefix.size());
    const auto slash = place.find('/');
    if (slash == std::string::npos)
      throw Error(ExitCode::usage, fmt::format("the mirror `{}` of `{}` names no repository", to, prefix));
    out.host = out.registry = place.substr(0, slash);
    out.repository = place.substr(slash + 1);
  }
  if (out.host == "docker.io") out.host = "registry-1.docker.io";
  return out;
}

void RegistryHttp::pause(int number) {
  auto span = Millis(200 << (number - 1));
  span = std::max(span, asked_pause_);  // never sooner than asked
  asked_pause_ = Millis(0);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop_, span, [] { return false; });
  if (stop_.stop_requested()) throw Error(ExitCode::interrupted, "stopped");
}

void RegistryHttp::secure(HttpRequest& request) const {
  const auto url = Url::parse(request.url);
  if (!url)
    throw Error(ExitCode::unavailable,
                fmt::format("`{}` is no place to go on to", request.url.substr(0, 200)));
  if (url->scheme == "http" && !options_.insecure && !is_loopback_host(url->host))
    throw Error(ExitCode::unavailable, fmt::format("`{}` would be asked without TLS", url->origin()))
        .hint("say `insecure` when that is meant");
  if (url->scheme != "https") return;
  request.verify_tls = !options_.insecure;
  const auto host = fmt::format("{}{}", url->host, url->port == 443 ? "" : fmt::format(":{}", url->port));
  request.ca_file = certificate_folder_file(host, "ca.crt");
  if (request.ca_file.empty())
    if (const char* file = std::getenv("SSL_CERT_FILE"); file && *file) request.ca_file = file;
  request.client_cert = certificate_folder_file(host, "client.cert");
  request.client_key = certificate_folder_file(host, "client.key");
}

// TLS always, but for hosts that may speak plain HTTP: those are asked which they do. A TLS server answers a
// plain request with 400 or with nothing.
const std::string& RegistryHttp::base_url(const Endpoint& endpoint) {
  auto& known = base_urls_[endpoint.host];
  if (!known.empty()) return known;
  const auto url = Url::parse("https://" + endpoint.host);
  if (!url) throw Error(ExitCode::usage, fmt::format("`{}` is no registry host", endpoint.host));
  if (options_.insecure || is_loopback_host(url->host)) {
    HttpRequest probe;
    probe.url = "http://" + endpoint.host + "/v2/";
    try {
      if (http_.send(probe, stop_).status != 400) return known = "http://" + endpoint.host;
    } catch (const Error& e) {
      if (e.message().find("refused") != std::string::npos || e.code() == ExitCode::interrupted) throw;
    }
  }
  return known = "https://" + endpoint.host;
}

const Credentials& RegistryHttp::credentials(const std::string& registry) {
  const auto it = credentials_.find(registry);
  if (it != credentials_.end()) return it->second;
  return credentials_[registry] = find_credentials(registry, options_.config_json);
}

std::string RegistryHttp::token(const Endpoint& endpoint, const std::map<std::string, std::string>& challenge,
                                const std::string& actions) {
  const auto get = [&](const std::string& name) {
    const auto it = challenge.find(name);
    return it == challenge.end() ? std::string() : it->second;
  };
  const auto& login = credentials(endpoint.registry);
  const auto scope = fmt::format("repository:{}:{}", endpoint.repository, actions);
  const auto second =
      endpoint.mount_from.empty() ? std::string() : fmt::format("repository:{}:pull", endpoint.mount_from);
  HttpRequest request;
  request.max_body = kMaxTokenBody;
  request.url = get("realm");
  const auto realm = Url::parse(request.url), home = Url::parse(base_url(endpoint));
  if (!realm || !home)
    throw Error(ExitCode::unavailable, fmt::format("`{}` sends to a login server that is no URL: `{}`",
                                                   endpoint.registry, request.url.substr(0, 200)));
  check_way(*home, *realm);
  if (login.username == "<token>") {
    request.method = "POST";
    request.headers["Content-Type"] = "application/x-www-form-urlencoded";
    request.body =
        fmt::format("grant_type=refresh_token&client_id=slipway&service={}&scope={}&refresh_token={}",
                    url_encoded(get("service")), url_encoded(second.empty() ? scope : scope + " " + second),
                    url_encoded(login.password.reveal()));
  } else {
    request.url +=
        fmt::format("{}service={}&scope={}", request.url.find('?') == std::string::npos ? "?" : "&",
                    url_encoded(get("service")), url_encoded(scope));
    if (!second.empty()) request.url += "&scope=" + url_encoded(second);
    if (!login.empty())
      request.headers["Authorization"] =
          "Basic " + base64_encode(login.username + ":" + login.password.reveal());
  }
  secure(request);
  const auto response = http_.send(request, stop_);
  if (response.status == 401 || response.status == 403) refused(endpoint, response, actions);
  note_pause(response);
  const auto answer = json::parse(response.body, nullptr, false);
  if (response.status != 200 || !answer.is_object())
    throw Error(ExitCode::unavailable,
                fmt::format("the login server of `{}` answers {}", endpoint.registry, response.status))
        .retryable(response.status >= 500 || response.status == 429);
  std::string text;
  for (const char* name : {"access_token", "token"})
    if (const auto it = answer.find(name); it != answer.end() && it->is_string())
      text = it->get<std::string>();
  if (text.empty())
    throw Error(ExitCode::unavailable,
                fmt::format("the login server of `{}` gives no token", endpoint.registry));
  return text;
}

std::string RegistryHttp::authorization(const Endpoint& endpoint, const std::string& challenge,
                                        const std::string& actions) {
  std::string scheme;
  const auto parameters = parse_challenge(challenge, scheme);
  if (scheme == "bearer") return "Bearer " + token(endpoint, parameters, actions);
  const auto& login = credentials(endpoint.registry);
  if (scheme != "basic" || login.empty()) return {};
  return "Basic " + base64_encode(login.username + ":" + login.password.reveal());
}

void RegistryHttp::refused(const Endpoint& endpoint, const HttpResponse& response,
                           const std::string& actions) const {
  const auto it = credentials_.find(endpoint.registry);
  const bool logged_in = it != credentials_.end() && !it->second.empty();
  const auto why = error_text(response);
  const auto what = actions.find("push") != std::string::npos ? "push to" : "pull from";
  throw Error(ExitCode::auth, fmt::format("`{}` does not let {} {} `{}`{}", endpoint.registry,
                                          logged_in ? "`" + it->second.username + "`" : "you", what,
                                          endpoint.repository, why.empty() ? "" : ": " + why))
      .hint(logged_in ? "look at the login and at the rights of this repository"
                      : fmt::format("log in (docker login {}), or name a secret under `registry.credentials`",
                                    endpoint.registry));
}

HttpResponse RegistryHttp::follow(HttpRequest request) {
  for (int hop = 0;; ++hop) {
    secure(request);
    auto response = http_.send(request, stop_);
    const bool redirect = response.status == 301 || response.status == 302 || response.status == 303 ||
                          response.status == 307 || response.status == 308;
    if (!redirect || request.read_body) return response;
    if (hop == kMaxRedirects)
      throw Error(ExitCode::unavailable,
                  fmt::format("`{}` leads on and on", Url::parse(request.url)->origin()));
    const auto next = resolve_url(request.url, response.header("location"));
    const auto from = Url::parse(request.url), to = Url::parse(next);
    if (!to)
      throw Error(ExitCode::unavailable, fmt::format("`{}` is no place to go on to", next.substr(0, 200)));
    check_way(*from, *to);
    // A login is for the server that asked for it, not for the storage it points to.
    if (from->origin() != to->origin()) request.headers.erase("Authorization");
    request.url = next;
  }
}

// Where a registry may send us: not from TLS to plain HTTP, and not from outside into this machine or to the
// link-local addresses where clouds keep their secrets (CVE-2020-15157 and its kin).
void RegistryHttp::check_way(const Url& from, const Url& to) const {
  const bool downgrade = from.scheme == "https" && to.scheme == "http";
  const bool inwards = !is_loopback_host(from.host) && (is_loopback_host(to.host) || is_link_local(to.host));
  if (!downgrade && !inwards && !(is_link_local(to.host) && from.host != to.host)) return;
  throw Error(ExitCode::unavailable,
              fmt::format("`{}` leads to `{}`, which is not followed", from.origin(), to.origin()))
      .hint(downgrade ? "it would give up TLS on the way" : "a registry has no business there");
}

// 429 and 503 may say how long to stay away: in seconds or as a date (RFC 9110 10.2.3).
void RegistryHttp::note_pause(const HttpResponse& response) {
  const auto after = response.header("retry-after");
  if (after.empty() || (response.status != 429 && response.status != 503)) return;
  std::int64_t seconds = 0;
  if (after.size() < 10 && after.find_first_not_of("0123456789") == std::string::npos)
    seconds = std::stoll(after);
  else if (const auto when = parse_http_date(after))
    seconds = std::max<std::int64_t>(0, *when - now_micros() / 1'000'000);
  asked_pause_ = Millis(1000 * seconds);
}

HttpResponse RegistryHttp::send_once(const Endpoint& endpoint, const std::string& url,
                                     const HttpRequest& request, const std::string& actions) {
  const auto login_key =
      endpoint.host + " " + endpoint.repository + " " + actions + " " + endpoint.mount_from;
  HttpRequest with_login = request;
  with_login.url = url;
  const auto origin = Url::parse(url), home = Url::parse(base_url(endpoint));
  const bool at_home = origin && home && origin->origin() == home->origin();
  if (const auto it = authorization_.find(login_key); at_home && it != authorization_.end())
    with_login.headers["Authorization"] = it->second;
  auto response = follow(with_login);
  if (response.status == 401 && at_home) {
    auto header = authorization(endpoint, response.header("www-authenticate"), actions);
    if (header.empty() || header == with_login.headers["Authorization"]) refused(endpoint, response, actions);
    authorization_[login_key] = header;
    if (request.read_body) return response;  // the body is spent: the caller sends it again
    with_login.headers["Authorization"] = std::move(header);
    response = follow(with_login);
  }
  if (response.status == 401 || response.status == 403) refused(endpoint, response, actions);
  if ((response.status >= 200 && response.status < 300) || response.status == 404) return response;
  const auto why = error_text(response);
  note_pause(response);
  const bool passing = response.status == 408 || response.status == 429 || response.status >= 500;
  Error error(ExitCode::unavailable, fmt::format("registry `{}` answers {}{}", endpoint.registry,
                                                 response.status, why.empty() ? "" : ": " + why));
  if (asked_pause_ > kLongestPause)
    throw error.hint(fmt::format("it asks to come back in {}", format_duration(asked_pause_)));
  throw error.retryable(passing);
}

HttpResponse RegistryHttp::send(const Endpoint& endpoint, const std::string& path, HttpRequest request,
                                const std::string& actions) {
  const auto attempt = [&] {
    const bool whole = path.find("://") != std::string::npos;
    return send_once(endpoint, whole ? path : url_of(endpoint, path), request, actions);
  };
  return request.read_body || request.on_body ? attempt() : with_retries(attempt);
}

std::string RegistryHttp::url_of(const Endpoint& endpoint, const std::string& path) {
  return fmt::format("{}/v2/{}/{}", base_url(endpoint), endpoint.repository, path);
}

}  // namespace slipway::oci
