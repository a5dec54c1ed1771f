// THE list of built-in plugins; each has a folder of its own.
#include "plugins/builtin.h"

namespace slipway {

void add_builtin_plugins([[maybe_unused]] Plugins& plugins) {}

}  // namespace slipway
