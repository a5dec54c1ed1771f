#include "plugins/kubernetes/decisions.h"

namespace slipway::kubernetes {

namespace {

constexpr Millis kInterval{1'000};

}  // namespace

std::string Decisions::path() const {
  return fmt::format("/api/v1/namespaces/{}/configmaps/{}-decision", url_encoded(place_.name_space),
                     place_.name());
}

void Decisions::leave(const Decision& decision) {
  Request request;
  request.method = "PATCH";
  request.content_type = "application/apply-patch+yaml";
  request.path = path();
  request.query = {{"fieldManager", "slipway"}, {"force", "true"}};
  request.body = {{"apiVersion", "v1"},
                  {"kind", "ConfigMap"},
                  {"metadata",
                   {{"name", place_.name() + "-decision"},
                    {"namespace", place_.name_space},
                    {"labels", place_.labels()}}},
                  {"data", {{"decision", json(decision).dump()}}}};
  api_.call(std::move(request));
}

std::optional<Decision> Decisions::take(const std::string& rollout) {
  if (std::chrono::steady_clock::now() < next_) return std::nullopt;
  next_ = std::chrono::steady_clock::now() + kInterval;
  const auto found = api_.find(path());
  if (!found) return std::nullopt;
  Request request;
  request.method = "DELETE";
  request.path = path();
  try {
    api_.call(std::move(request));
  } catch (const ApiError& e) {
    if (e.status != 404) throw;
  }
  const auto text = json::parse(found->value("/data/decision"_json_pointer, ""), nullptr, false);
  if (!text.is_object()) return std::nullopt;
  auto decision = text.get<Decision>();
  if (decision.rollout != rollout) return std::nullopt;
  return decision;
}

}  // namespace slipway::kubernetes
