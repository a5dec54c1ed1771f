// Images to and from registries, through oci/registry_client.
#pragma once
#include "plugin/plugin.h"

namespace slipway {

std::unique_ptr<Plugin> make_registry_plugin();

}  // namespace slipway
