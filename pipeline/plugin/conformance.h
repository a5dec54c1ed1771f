// What every plugin has to do, as checks that `slipway plugin test` and the suite in tests/conformance share.
#pragma once
#include <functional>
#include <string>

#include "base/clock.h"
#include "plugin/plugin.h"
#include "sys/process.h"

namespace slipway {

struct ConformanceCheck {
  enum class Result { passed, failed, skipped } result = Result::passed;
  std::string name;  // a sentence: "`greet` gives the same outputs twice"
  std::string why;   // it failed or was skipped
};
using OnCheck = std::function<void(const ConformanceCheck&)>;  // each as soon as it is decided

struct ConformanceLimits {
  Millis answer{5'000};    // to a request that needs no work, and to the end of stdin
  Millis example{60'000};  // one run of an example; then it is stopped
};

// Through THE interface, so for built-ins and programs alike: what it says of itself, and its examples (the
// `examples` of each action's params schema, which have to be harmless) run in folders made for them. Throws
// nothing.
void check_plugin(Plugin& plugin, const OnCheck& on_check, const ConformanceLimits& limits = {});

// What a program says line by line, also to requests that slipway itself would never send.
void check_wire(const Command& program, const OnCheck& on_check, const ConformanceLimits& limits = {});

}  // namespace slipway
