// The main of every test program.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

// What libgit2 1.5 never gives back, whoever uses it: the match data of a regular expression without a match
// (each remote looks through the configuration so), and the list of known hosts of an ssh connection.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libpcre2-8.so\nleak:libssh2_knownhost_init\n";
}
