#include "sys/account.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.h"

namespace slipway {

namespace {

// One of the getXXX_r functions, with a buffer that is large enough. Null: there is none.
template <typename Entry, typename Look>
bool look_up(Entry& entry, std::vector<char>& buffer, Look look) {
  buffer.resize(4096);
  for (;;) {
    Entry* found = nullptr;
    const int error = look(&entry, buffer.data(), buffer.size(), &found);
    if (error == EINTR) continue;
    if (error == ERANGE && buffer.size() < (16u << 20)) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    return error == 0 && found;
  }
}

std::string group_name(gid_t gid) {
  group entry{};
  std::vector<char> buffer;
  const bool found = look_up(entry, buffer, [&](group* e, char* b, std::size_t n, group** out) {
    return ::getgrgid_r(gid, e, b, n, out);
  });
  return found ? std::string(entry.gr_name) : std::to_string(gid);
}

}  // namespace

bool Account::is(const std::string& wanted) const {
  return name == wanted || std::find(groups.begin(), groups.end(), wanted) != groups.end();
}

Account account_of(uid_t uid) {
  Account out{uid, std::to_string(uid), {}};
  passwd entry{};
  std::vector<char> buffer;
  const bool found = look_up(entry, buffer, [&](passwd* e, char* b, std::size_t n, passwd** result) {
    return ::getpwuid_r(uid, e, b, n, result);
  });
  if (!found) return out;
  out.name = entry.pw_name;
  std::vector<gid_t> ids(64);
  int count = static_cast<int>(ids.size());
  while (::getgrouplist(entry.pw_name, entry.pw_gid, ids.data(), &count) < 0) {
    if (count <= static_cast<int>(ids.size())) count = static_cast<int>(ids.size()) * 2;
    ids.resize(static_cast<std::size_t>(count));
  }
  ids.resize(static_cast<std::size_t>(count));
  for (const auto id : ids) out.groups.push_back(group_name(id));
  return out;
}

Account own_account() {
  return account_of(::geteuid());
}

bool is_account_or_group(const std::string& name) {
  passwd user{};
  group entry{};
  std::vector<char> buffer;
  return look_up(user, buffer,
                 [&](passwd* e, char* b, std::size_t n, passwd** out) {
                   return ::getpwnam_r(name.c_str(), e, b, n, out);
                 }) ||
         look_up(entry, buffer, [&](group* e, char* b, std::size_t n, group** out) {
           return ::getgrnam_r(name.c_str(), e, b, n, out);
         });
}

}  // namespace slipway
