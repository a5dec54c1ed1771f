#include "sys/git_known_hosts.h"

#include <fnmatch.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/error.h"
#include "sys/base64.h"
#include "sys/files.h"

namespace slipway::git {

namespace {

// "|1|SALT|HASH": HMAC-SHA1 of the name with the salt as its key.
bool matches_hashed(const std::string& pattern, const std::string& name) {
  const auto bar = pattern.find('|', 3);
  if (bar == std::string::npos) return false;
  const auto salt = base64_decode(pattern.substr(3, bar - 3)).value_or(""),
             wanted = base64_decode(pattern.substr(bar + 1)).value_or("");
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()),
            reinterpret_cast<const unsigned char*>(name.data()), name.size(), hash, &size))
    return false;
  return wanted == std::string_view(reinterpret_cast<const char*>(hash), size);
}

bool matches(const std::string& patterns, const std::string& name) {
  if (patterns.starts_with("|1|")) return matches_hashed(patterns, name);
  bool found = false;
  std::istringstream in(patterns);
  for (std::string pattern; std::getline(in, pattern, ',');) {
    const bool not_these = pattern.starts_with('!');
    if (not_these) pattern.erase(0, 1);
    // Brackets are literal in this file: "[host]:port".
    std::string glob;
    for (char c : pattern)
      glob += c == '[' || c == ']' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    if (::fnmatch(glob.c_str(), name.c_str(), FNM_CASEFOLD) != 0) continue;
    if (not_these) return false;
    found = true;
  }
  return found;
}

std::string key_type(const std::string& blob) {
  if (blob.size() < 4) return {};
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(blob[i]));
  };
  const auto size = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  return size <= blob.size() - 4 ? blob.substr(4, size) : std::string();
}

}  // namespace

std::string HostKey::fingerprint() const {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(blob.data()), blob.size(), hash);
  auto text = base64_encode({reinterpret_cast<const char*>(hash), sizeof hash});
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

std::vector<fs::path> known_hosts_files() {
  std::vector<fs::path> files;
  if (const char* given = std::getenv("SSH_KNOWN_HOSTS"); given && *given) {
    std::istringstream in(given);
    for (std::string file; std::getline(in, file, ':');) files.emplace_back(file);
    return files;
  }
  if (const char* home = std::getenv("HOME"))
    for (const char* name : {"known_hosts", "known_hosts2"}) files.push_back(fs::path(home) / ".ssh" / name);
  for (const char* name : {"ssh_known_hosts", "ssh_known_hosts2"})
    files.push_back(fs::path("/etc/ssh") / name);
  return files;
}

void check_host_key(const HostKey& key, const std::vector<fs::path>& files) {
  const auto name = key.port == 22 ? key.host : fmt::format("[{}]:{}", key.host, key.port);
  const auto type = key_type(key.blob), wanted = base64_encode(key.blob);
  bool good = false;
  std::string other;  // "FILE line N", where the host has another key of this type
  for (const auto& file : files) {
    const auto text = read_file_if_exists(file, 16 << 20);
    std::istringstream in(text.value_or(""));
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      std::istringstream words(line);
      std::string marker, hosts, line_type, line_key;
      words >> hosts;
      if (hosts.starts_with('@')) {
        marker = hosts;
        words >> hosts;
      }
      words >> line_type >> line_key;
      if (hosts.empty() || hosts.starts_with('#') || !matches(hosts, name)) continue;
      if (marker == "@revoked") {
        if (line_key == wanted)
          throw Error(ExitCode::auth, fmt::format("the host key of `{}` is revoked by `{}` line {}", name,
                                                  file.string(), number));
        continue;
      }
      if (!marker.empty() || line_type != type) continue;  // certificates are not offered to us
      if (line_key == wanted)
        good = true;
      else if (other.empty())
        other = fmt::format("`{}` line {}", file.string(), number);
    }
  }
  if (good) return;
  if (!other.empty())
    throw Error(ExitCode::auth, fmt::format("the host key of `{}` has changed: {} {} is not the one in {}",
                                            name, type, key.fingerprint(), other))
        .hint(fmt::format("somebody may stand between you and the server; if the server was set up anew: "
                          "`ssh-keygen -R '{}'`, then connect once with ssh",
                          name));
  throw Error(ExitCode::auth,
              fmt::format("the host key of `{}` is not known: {} {}", name, type, key.fingerprint()))
      .hint(fmt::format("if that is the server's own: `ssh-keyscan{} {} >> ~/.ssh/known_hosts`",
                        key.port == 22 ? "" : fmt::format(" -p {}", key.port), key.host));
}

}  // namespace slipway::git
