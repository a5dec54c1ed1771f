// Services as the plugins take them (the map's "Service").
#pragma once
#include <set>
#include <string>

#include "plan/plan.h"
#include "spec/spec.h"

namespace slipway {

// A text with `${{ }}` as params: the text itself, or {"$join": […]} with references to outputs. `git_step`
// is the source step that git.* means ("" : none).
json run_text(const std::string& text, const std::string& git_step);

// `image` is that param already made. Secrets that it names are added to `secrets`. Volumes only when
// `keeps_data`.
json service_params(const Service& service, json image, bool keeps_data, std::set<std::string>& secrets);

// What a cluster target needs to know beside its services; empty for this machine.
json target_params(const Target& target);

// How `service` is replaced in this environment: {"canary": {…}}; null: as the target does it by itself.
json strategy_params(const Environment& environment, const Service& service);

// Environment variables in two members of `params`: `plain` and `secret` (variable → secret's name).
void put_values(json& params, const Values& values, const std::string& plain, const std::string& secret,
                const std::string& git_step, std::set<std::string>& secrets);

}  // namespace slipway
