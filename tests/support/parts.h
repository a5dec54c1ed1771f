// The real parts a test needs. One that is missing fails the test in CI, which must have them all; elsewhere
// the test is skipped, by name: ctest tells it apart from one that passed.
#pragma once
#include <cstddef>
#include <string_view>

namespace slipway::test {

// Always false, so that a test can `return` on it. Fails the test when $CI is set.
bool skip(std::string_view why);

bool have(std::string_view program);
bool have_root();
bool have_runtime();  // crun or runc

// Test cases of this process that called skip() until now.
std::size_t skipped_tests();

}  // namespace slipway::test
