#include "sys/git_remote.h"

#include <git2.h>

#include <chrono>

#include "base/error.h"
#include "sys/git_certificates.h"
#include "sys/git_credentials.h"
#include "sys/git_known_hosts.h"
#include "sys/git_watchdog.h"

namespace slipway::git {

namespace {

constexpr Millis kSilence{60'000};

bool says(const std::string& text, std::initializer_list<std::string_view> any) {
  for (const auto part : any)
    if (text.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

struct Remote::Impl {
  GitUrl url;
  Secret token;
  OnProgress progress;
  std::stop_token stop;
  Owned<git_remote> remote;
  // Of the call that is running.
  Watchdog* watchdog = nullptr;
  Credentials* credentials = nullptr;
  std::exception_ptr failed;  // in a callback: C code cannot be thrown through
  std::chrono::steady_clock::time_point shown{};

  // A callback of libgit2: C++ errors are kept and end the call.
  template <typename F>
  int guarded(F&& f) {
    try {
      watchdog->alive();
      if (stop.stop_requested()) return GIT_EUSER;
      return f();
    } catch (...) {
      failed = std::current_exception();
      return GIT_EUSER;
    }
  }
  static Impl& of(void* payload) { return *static_cast<Impl*>(payload); }

  bool time_to_show() {
    const auto now = std::chrono::steady_clock::now();
    if (!progress || now - shown < Millis(100)) return false;
    shown = now;
    return true;
  }

  static int on_credentials(git_credential** answer, const char* asked, const char*, unsigned allowed,
                            void* self) {
    return of(self).guarded([&] { return of(self).credentials->next(answer, asked ? asked : "", allowed); });
  }

  static int on_certificate(git_cert* certificate, int valid, const char*, void* self) {
    return of(self).guarded([&] {
      const auto& url = of(self).url;
      if (certificate->cert_type == GIT_CERT_HOSTKEY_LIBSSH2) {
        const auto* key = reinterpret_cast<const git_cert_hostkey*>(certificate);
        if (!(key->type & GIT_CERT_SSH_RAW))
          throw Error(ExitCode::auth, fmt::format("`{}` shows no host key", url.text));
        check_host_key({url.host, url.port, std::string(key->hostkey, key->hostkey_len)},
                       known_hosts_files());
        return 0;
      }
      if (!valid)
        throw Error(ExitCode::auth, fmt::format("the TLS certificate of `{}` is not trusted", url.host))
            .hint("its authority's file can be named in SSL_CERT_FILE");
      return 0;
    });
  }

  static int on_transfer(const git_indexer_progress* p, void* self) {
    return of(self).guarded([&] {
      if (!of(self).time_to_show()) return 0;
      const bool all = p->received_objects == p->total_objects;
      if (all && p->total_deltas)
        of(self).progress(fmt::format("resolving {}", of(self).url.text), p->indexed_deltas, p->total_deltas,
                          "deltas");
      else
        of(self).progress(fmt::format("fetching {}", of(self).url.text), p->received_objects,
                          p->total_objects, "objects");
      return 0;
    });
  }

  // The server counting and compressing: it is alive.
  static int on_sideband(const char*, int, void* self) {
    return of(self).guarded([] { return 0; });
  }

  git_remote_callbacks callbacks() {
    git_remote_callbacks out;
    check(git_remote_init_callbacks(&out, GIT_REMOTE_CALLBACKS_VERSION), "prepare a fetch");
    out.credentials = on_credentials;
    out.certificate_check = on_certificate;
    out.transfer_progress = on_transfer;
    out.sideband_progress = on_sideband;
    out.payload = this;
    return out;
  }

  // Runs one blocking call of libgit2 and turns its failure into an Error.
  template <typename F>
  void call(F&& f) {
    Watchdog dog(stop, kSilence, url.port);
    Credentials keys(url, token, stop);
    watchdog = &dog;
    credentials = &keys;
    failed = nullptr;
    git_error_clear();
    const int result = f();
    if (result >= 0) return;
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
    if (failed) std::rethrow_exception(failed);
    const auto text = last_message();
    if (dog.silent())
      throw Error(ExitCode::unavailable,
                  fmt::format("`{}` was silent for {}", url.text, format_duration(kSilence)))
          .retryable();
    if (result == GIT_EAUTH ||
        says(text, {"401", "403", "too many redirects or authentication", "authentication"}))
      throw keys.refused();
    if (result == GIT_ECERTIFICATE || says(text, {"certificate"}))
      throw Error(ExitCode::auth,
                  fmt::format("the TLS certificate of `{}` is not trusted: {}", url.host, text))
          .hint("its authority's file can be named in SSL_CERT_FILE");
    if (says(text, {"status code: 404", "repository not exported", "not found",
                    "does not appear to be a git repository", "could not find repository",
                    "failed to resolve path"}) &&
        !says(text, {"resolve address"}))
      throw Error(ExitCode::unavailable, fmt::format("there is no git repository at `{}`", url.text))
          .hint("check the URL; a server may also hide one that needs a login");
    throw Error(ExitCode::unavailable, fmt::format("cannot fetch from `{}`: {}", url.text, text)).retryable();
  }
};

Remote::Remote(git_repository* into, const GitUrl& url, const Secret& token, OnProgress progress,
               std::stop_token stop)
    : impl_(std::make_unique<Impl>()) {
  impl_->url = url;
  impl_->token = token;
  impl_->progress = std::move(progress);
  impl_->stop = std::move(stop);
  check(git_remote_create_anonymous(out(impl_->remote), into, url.text.c_str()),
        fmt::format("use `{}`", url.text));
}

Remote::~Remote() {
  const Watchdog no_sigpipe({}, kSilence, 0);  // it says goodbye
  if (git_remote_connected(impl_->remote.get())) git_remote_disconnect(impl_->remote.get());
}

std::vector<RemoteRef> Remote::refs() {
  auto& self = *impl_;
  // http, too: it may be redirected.
  if (self.url.scheme == "https" || self.url.scheme == "http") load_certificates();
  const auto callbacks = self.callbacks();
  git_proxy_options proxy;
  check(git_proxy_options_init(&proxy, GIT_PROXY_OPTIONS_VERSION), "prepare a fetch");
  proxy.type = GIT_PROXY_AUTO;
  self.call([&] {
    return git_remote_connect(self.remote.get(), GIT_DIRECTION_FETCH, &callbacks, &proxy, nullptr);
  });
  const git_remote_head** heads = nullptr;
  std::size_t count = 0;
  check(git_remote_ls(&heads, &count, self.remote.get()),
        fmt::format("list the refs of `{}`", self.url.text));
  std::vector<RemoteRef> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(
        {heads[i]->name, hex(heads[i]->oid), heads[i]->symref_target ? heads[i]->symref_target : ""});
  return out;
}

void Remote::fetch(const std::vector<std::string>& refspecs) {
  auto& self = *impl_;
  git_fetch_options options;
  check(git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION), "prepare a fetch");
  options.callbacks = self.callbacks();
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  options.update_fetchhead = 0;
  options.proxy_opts.type = GIT_PROXY_AUTO;
  std::vector<char*> specs;
  for (const auto& spec : refspecs) specs.push_back(const_cast<char*>(spec.c_str()));
  const git_strarray list{specs.data(), specs.size()};
  self.call([&] { return git_remote_fetch(self.remote.get(), &list, &options, "slipway"); });
}

}  // namespace slipway::git
