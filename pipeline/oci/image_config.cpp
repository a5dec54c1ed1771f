// JSON of the image config (image-spec config.md, with Docker's Healthcheck, Shell, OnBuild, ArgsEscaped).
#include "base/error.h"
#include "oci/descriptor.h"
#include "oci/json_fields.h"

namespace slipway::oci {
namespace {

// The members that ImageConfig has fields for; everything else goes to `extra` and back.
const std::set<std::string> kTopMembers = {"architecture", "os",     "variant", "created",
                                           "author",       "config", "rootfs",  "history"};
const std::set<std::string> kRunMembers = {"User",    "WorkingDir",  "StopSignal", "Env",    "Entrypoint",
                                           "Cmd",     "Shell",       "OnBuild",    "Labels", "ExposedPorts",
                                           "Volumes", "Healthcheck", "ArgsEscaped"};

json set_of(const std::vector<std::string>& names) {
  json out = json::object();
  for (const auto& name : names) out[name] = json::object();
  return out;
}

template <typename T>
void put_unless_empty(json& out, const char* name, const T& value) {
  if (!value.empty()) out[name] = value;
}

json to_json(const ImageHealthcheck& check) {
  json out = json::object();
  put_unless_empty(out, "Test", check.test);
  if (check.interval_ns) out["Interval"] = check.interval_ns;
  if (check.timeout_ns) out["Timeout"] = check.timeout_ns;
  if (check.start_period_ns) out["StartPeriod"] = check.start_period_ns;
  if (check.retries) out["Retries"] = check.retries;
  return out;
}

ImageHealthcheck read_healthcheck(const json& value) {
  const Fields fields(value, "image config");
  const auto nanoseconds = [&](const char* name) {
    return static_cast<std::int64_t>(fields.optional_size(name).value_or(0));
  };
  return ImageHealthcheck{
      .test = fields.strings("Test"),
      .interval_ns = nanoseconds("Interval"),
      .timeout_ns = nanoseconds("Timeout"),
      .start_period_ns = nanoseconds("StartPeriod"),
      .retries = static_cast<int>(std::min<std::int64_t>(nanoseconds("Retries"), 1'000'000))};
}

json run_json(const ImageConfig& config) {
  json out = config.extra.value("config", json::object());
  put_unless_empty(out, "User", config.user);
  put_unless_empty(out, "WorkingDir", config.working_dir);
  put_unless_empty(out, "StopSignal", config.stop_signal);
  put_unless_empty(out, "Env", config.env);
  put_unless_empty(out, "Entrypoint", config.entrypoint);
  put_unless_empty(out, "Cmd", config.cmd);
  put_unless_empty(out, "Shell", config.shell);
  put_unless_empty(out, "OnBuild", config.on_build);
  put_unless_empty(out, "Labels", config.labels);
  if (!config.exposed_ports.empty()) out["ExposedPorts"] = set_of(config.exposed_ports);
  if (!config.volumes.empty()) out["Volumes"] = set_of(config.volumes);
  if (config.healthcheck) out["Healthcheck"] = to_json(*config.healthcheck);
  if (config.args_escaped) out["ArgsEscaped"] = true;
  return out;
}

std::vector<std::string> names_of(const Fields& fields, const char* name) {
  std::vector<std::string> out;
  if (const json* found = fields.optional_object(name))
    for (const auto& [key, value] : found->items()) out.push_back(key);  // a json object is sorted
  return out;
}

bool flag(const json& value, const char* name) {
  const auto found = value.find(name);
  return found != value.end() && found->is_boolean() && found->get<bool>();
}

void read_run(const json& value, ImageConfig& out) {
  const Fields fields(value, "image config");
  out.user = fields.optional_string("User");
  out.working_dir = fields.optional_string("WorkingDir");
  out.stop_signal = fields.optional_string("StopSignal");
  out.env = fields.strings("Env");
  out.entrypoint = fields.strings("Entrypoint");
  out.cmd = fields.strings("Cmd");
  out.shell = fields.strings("Shell");
  out.on_build = fields.strings("OnBuild");
  out.exposed_ports = names_of(fields, "ExposedPorts");
  out.volumes = names_of(fields, "Volumes");
  if (const json* labels = fields.optional_object("Labels")) {
    for (const auto& [name, text] : labels->items()) {
      if (!text.is_string()) fields.fail(fmt::format("label `{}` is no string", name));
      out.labels[name] = text.get<std::string>();
    }
  }
  if (const json* check = fields.optional_object("Healthcheck")) out.healthcheck = read_healthcheck(*check);
  out.args_escaped = flag(value, "ArgsEscaped");
  json unknown = json::object();
  for (const auto& [name, item] : value.items())
    if (!kRunMembers.contains(name)) unknown[name] = item;
  if (!unknown.empty()) out.extra["config"] = std::move(unknown);
}

void read_history(const Fields& fields, ImageConfig& out) {
  if (!fields.has("history")) return;
  for (const auto& item : fields.array("history")) {
    const Fields entry(item, "image config");
    out.history.push_back(History{.created = entry.optional_string("created"),
                                  .created_by = entry.optional_string("created_by"),
                                  .comment = entry.optional_string("comment"),
                                  .empty_layer = flag(item, "empty_layer")});
  }
}

json to_json(const History& entry) {
  json out = json::object();
  put_unless_empty(out, "created", entry.created);
  put_unless_empty(out, "created_by", entry.created_by);
  put_unless_empty(out, "comment", entry.comment);
  if (entry.empty_layer) out["empty_layer"] = true;
  return out;
}

}  // namespace

std::string serialize(const ImageConfig& config) {
  json out = config.extra;
  out["architecture"] = config.platform.architecture;
  out["os"] = config.platform.os;
  put_unless_empty(out, "variant", config.platform.variant);
  put_unless_empty(out, "created", config.created);
  put_unless_empty(out, "author", config.author);
  out["config"] = run_json(config);
  json diff_ids = json::array();
  for (const auto& id : config.diff_ids) diff_ids.push_back(id.str());
  out["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};
  if (!config.history.empty()) {
    json history = json::array();
    for (const auto& entry : config.history) history.push_back(to_json(entry));
    out["history"] = std::move(history);
  }
  return dump(out);
}

ImageConfig parse_config(std::string_view text) {
  const json document = parse_document(text, "image config");
  const Fields fields(document, "image config");
  ImageConfig out;
  out.platform = Platform{.os = fields.string("os"),
                          .architecture = fields.string("architecture"),
                          .variant = fields.optional_string("variant")};
  out.created = fields.optional_string("created");
  out.author = fields.optional_string("author");
  for (const auto& [name, value] : document.items())
    if (!kTopMembers.contains(name)) out.extra[name] = value;
  if (const json* run = fields.optional_object("config")) read_run(*run, out);
  for (const auto& id : Fields(fields.object("rootfs"), "image config").strings("diff_ids")) {
    const auto digest = Digest::parse(id);
    if (!digest) fields.fail(fmt::format("`{}` is no sha256 digest", id.substr(0, 100)));
    out.diff_ids.push_back(*digest);
  }
  read_history(fields, out);
  return out;
}

}  // namespace slipway::oci
