// Names that name something: every reference of a spec, checked; and what waits for itself.
#pragma once
#include "base/diagnostics.h"
#include "spec/spec.h"

namespace slipway {

void check_references(const Spec& spec, Diagnostics& diagnostics);

}  // namespace slipway
