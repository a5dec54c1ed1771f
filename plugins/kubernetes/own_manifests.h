// A service's objects as the user wrote them: YAML files, or the output of any command that renders them.
#pragma once
#include "plugins/kubernetes/generate.h"
#include "sys/files.h"

namespace slipway::kubernetes {

// `manifests` of the params: {"files": [globs], "kustomize": folder, "command": [argv]}. Every object with
// its place; throws Error(usage) with all mistakes: no YAML, no object, two of one name.
std::vector<json> read_manifests(const json& manifests, const fs::path& project_dir);

// Puts them into the place: namespace, labels, and `reference` for every container whose image is `image` (as
// the spec names it) or lies in the repository of `reference`. One for each workload, at least one: the first
// is the service and has all that is no workload, others are parts of it ("web.worker").
std::vector<ServiceObjects> own_objects(std::vector<json> objects, const std::string& service,
                                        const std::string& image, const std::string& reference,
                                        const Place& place);

}  // namespace slipway::kubernetes
