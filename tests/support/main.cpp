// The main of every test program.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

// What libgit2 1.5 never gives back, whoever uses it: the match data of a regular expression without a match
// (each remote looks through the configuration so), the list of known hosts of an ssh connection, and the
// capabilities that a server named. Whole stacks, to tell these from objects that we forget to free.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libpcre2-8.so\nleak:libssh2_knownhost_init\nleak:git_remote_connect_ext\n";
}
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0";
}
