// Users and groups of this machine, as its name service tells (files, LDAP, …).
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace slipway {

struct Account {
  uid_t uid = 0;
  std::string name;                 // the number where the machine has no name for it
  std::vector<std::string> groups;  // all that it belongs to
  // Is it this user, or in this group?
  bool is(const std::string& user_or_group) const;
};

Account account_of(uid_t uid);
Account own_account();  // of this process (its effective user), whatever its environment says
bool is_account_or_group(const std::string& name);

}  // namespace slipway
