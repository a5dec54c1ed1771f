#include "sys/git_certificates.h"

#include <dlfcn.h>
#include <git2.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

std::atomic<bool> putting_off{false};
std::string wanted_file, wanted_folder;  // written while putting_off only, which is inside one call_once

using Parse = int (*)(void* chain, const char* path);

int parse(const char* function, std::string& wanted, void* chain, const char* path) {
  if (putting_off) {
    wanted = path ? path : "";
    return 0;
  }
  const auto real = reinterpret_cast<Parse>(::dlsym(RTLD_NEXT, function));
  return real ? real(chain, path) : -1;
}

}  // namespace

// A program's own symbols come before those of its libraries (ld.so(8)): libgit2 calls these, and they
// mbedTLS's. With a libgit2 on another TLS library nobody calls them.
extern "C" int mbedtls_x509_crt_parse_file(void* chain, const char* path) {
  return parse("mbedtls_x509_crt_parse_file", wanted_file, chain, path);
}
extern "C" int mbedtls_x509_crt_parse_path(void* chain, const char* path) {
  return parse("mbedtls_x509_crt_parse_path", wanted_folder, chain, path);
}

namespace slipway::git {

PutOffCertificates::PutOffCertificates() {
  putting_off = true;
}
PutOffCertificates::~PutOffCertificates() {
  putting_off = false;
}

void load_certificates() {
  static std::once_flag once;
  std::call_once(once, [] {
    const auto given = [](const char* first, const char* second) -> std::string {
      const char* value = std::getenv(first);
      if (!value || !*value) value = std::getenv(second);
      return value ? value : "";
    };
    auto file = given("GIT_SSL_CAINFO", "SSL_CERT_FILE"), folder = given("GIT_SSL_CAPATH", "SSL_CERT_DIR");
    if (file.empty() && folder.empty()) {
      file = wanted_file;
      folder = wanted_folder;
    }
    const auto text = [](const std::string& path) { return path.empty() ? nullptr : path.c_str(); };
    if (text(file) || text(folder))
      git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, text(file), text(folder));
  });
}

}  // namespace slipway::git
