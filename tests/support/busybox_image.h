// An image of busybox-static alone, put into a store by the test itself.
#pragma once
#include <string>
#include <vector>

#include "oci/descriptor.h"
#include "oci/store.h"

namespace slipway::test {

// `config`: changes to the image's config (env, cmd, …); `files`: path → content, executable.
oci::Descriptor make_busybox_image(oci::Store& store, oci::ImageConfig config = {},
                                   const std::map<std::string, std::string>& files = {});

}  // namespace slipway::test
