// The objects of one kind that a selector means, kept as they are now: list, then watch from there
// (kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes").
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "plugins/kubernetes/api.h"

namespace slipway::kubernetes {

class Watch {
 public:
  // `path` of the collection; `query`: labelSelector or fieldSelector. `changed` is called from Api::poll.
  Watch(Api& api, std::string path, std::map<std::string, std::string> query, std::function<void()> changed);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  bool listed() const;                                 // once it was
  const std::map<std::string, json>& objects() const;  // by name
  // Refused for good (403, 404); a fault that may pass is not told here but tried again.
  const std::optional<ApiError>& error() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the callbacks, which may come after us
};

}  // namespace slipway::kubernetes
