#include "plugins/local/place.h"

#include "sys/files.h"

namespace slipway::local {

Place Place::of(const Invocation& invocation) {
  Place place;
  place.project = invocation.params.at("project").get<std::string>();
  place.environment = invocation.params.value("environment", std::string("local"));
  if (place.environment.empty()) place.environment = "local";
  for (const auto& name : {place.project, place.environment})
    if (!is_safe_name(name)) throw Error(ExitCode::usage, fmt::format("`{}` is no name for a folder", name));
  place.root = fs::absolute(invocation.state_dir / "local" / place.project / place.environment);
  place.cache = fs::absolute(invocation.cache_dir);
  return place;
}

}  // namespace slipway::local
