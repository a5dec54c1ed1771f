#include "plugins/dockerfile/stage_builder.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "oci/scratch.h"
#include "oci/users.h"
#include "sys/files.h"

namespace slipway::dockerfile {

namespace {

bool makes_layer(const Instruction& made) {
  return made.keyword == "RUN" || made.keyword == "COPY" || made.keyword == "ADD" ||
         made.keyword == "WORKDIR" || made.keyword == "FROM";
}

std::string one_line(const Instruction& made) {
  std::string out;
  bool blank = false;
  for (const char c : made.original) {
    if (c == ' ' || c == '\t' || c == '\n') {
      blank = !out.empty();
      continue;
    }
    if (std::exchange(blank, false)) out += ' ';
    out += c;
  }
  return out;
}

}  // namespace

bool is_proxy_argument(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower == "http_proxy" || lower == "https_proxy" || lower == "ftp_proxy" || lower == "no_proxy" ||
         lower == "all_proxy";
}

StageBuilder::StageBuilder(const BuildRequest& request, const ParsedBuild& parsed, std::int64_t mtime,
                           oci::Store& store, const fs::path& cache_dir, Context& context)
    : request_(request),
      parsed_(parsed),
      mtime_(mtime),
      store_(store),
      cache_dir_(cache_dir),
      context_(context),
      snapshots_(cache_dir),
      cache_(cache_dir, store),
      bases_(store, cache_dir,
             {request.mirrors, request.insecure, request.pull, context.stop(),
              [&context](std::int64_t done, std::int64_t total) {
                context.progress({"pulling the base image", done, total, "B"});
              }}) {
  for (const auto index : parsed.stages.order) {
    const auto& stage = parsed.stages.all[index];
    total_ += 1 + static_cast<int>(std::count_if(stage.steps.begin(), stage.steps.end(),
                                                 [](const Instruction* made) { return makes_layer(*made); }));
  }
}

void StageBuilder::announce(const Instruction& made) {
  if (context_.stop().stop_requested()) throw Error(ExitCode::interrupted, "the build was stopped");
  ++done_;
  context_.progress(
      {fmt::format("[{}/{}] {}", done_, total_, one_line(made)), done_, total_, "instructions"});
}

std::optional<Outcome> StageBuilder::stage(std::size_t index) {
  const auto& stage = parsed_.stages.all[index];
  StageState state;
  state.escape = parsed_.file.escape;
  const auto guarded = [&](const Instruction& made, auto&& work) {
    try {
      return work();
    } catch (Error& e) {
      if (!e.where().known()) e.at(made.where);
      throw;
    }
  };
  guarded(*stage.from, [&] { from(state, stage); });
  for (const auto* made : stage.steps)
    if (auto failed = guarded(*made, [&] { return step(state, stage, *made); })) return failed;
  built_[index] = std::move(state);
  return std::nullopt;
}

void StageBuilder::from(StageState& state, const Stage& stage) {
  announce(*stage.from);
  if (stage.base_stage >= 0) {
    const auto& base = built_.at(static_cast<std::size_t>(stage.base_stage));
    state.layers = base.layers;
    state.begin(base.config);
  } else if (stage.base == "scratch") {
    oci::ImageConfig empty;
    empty.platform = request_.platform;
    state.begin(empty);
  } else {
    const auto platform = stage.platform.empty() ? request_.platform : *oci::Platform::parse(stage.platform);
    auto image = bases_.get(stage.base, platform);
    if (!image.config.on_build.empty())
      throw Error(ExitCode::failed,
                  fmt::format("`{}` has ONBUILD triggers, which are not supported yet", stage.base));
    state.layers = image.manifest.layers;
    state.begin(image.config);
  }
}

std::optional<Outcome> StageBuilder::step(StageState& state, const Stage& stage, const Instruction& made) {
  if (makes_layer(made)) announce(made);
  if (made.keyword == "RUN") return run(state, made);
  if (made.keyword == "COPY" || made.keyword == "ADD") {
    copy(state, stage, made);
    return std::nullopt;
  }
  auto globals = platform_variables(request_.platform, request_.target);
  for (const auto& [name, value] : parsed_.stages.globals) globals[name] = value;
  apply(state, made, {request_.args, globals});
  if (made.keyword == "WORKDIR")
    workdir(state, made);
  else if (made.keyword != "ARG")
    history(state, made, true);
  return std::nullopt;
}

void StageBuilder::history(StageState& state, const Instruction& made, bool empty) const {
  state.config.history.push_back({format_utc(mtime_ * 1'000'000), one_line(made), "slipway", empty});
}

void StageBuilder::append(StageState& state, const Instruction& made, const StepResult& result) {
  if (result.layer) {
    state.layers.push_back(result.layer->descriptor);
    state.config.diff_ids.push_back(result.layer->diff_id);
  }
  history(state, made, !result.layer);
}

Hasher StageBuilder::key_of(const StageState& state, std::string_view kind) const {
  Hasher hasher;
  // Raised whenever the same input makes other bytes.
  hasher.field("slipway dockerfile 1")
      .field(kind)
      .field(std::to_string(mtime_))
      .field(request_.platform.str());
  // The files below decide, not how they came to be: a changed LABEL or comment runs nothing again.
  for (const auto& diff_id : state.config.diff_ids) hasher.field(diff_id.hex());
  return hasher;
}

void StageBuilder::keyed(StageState& state, const Instruction& made, const Digest& key,
                         const std::function<std::optional<StepResult>()>& work) {
  if (!request_.no_cache)
    if (const auto found = cache_.find(key)) {
      ++cached_;
      return append(state, made, *found);
    }
  const auto result = work();
  if (!result) return;
  cache_.put(key, *result);
  append(state, made, *result);
}

std::vector<fs::path> StageBuilder::lowers(const StageState& state) {
  std::vector<fs::path> out;
  if (state.layers.size() != state.config.diff_ids.size())
    throw Error(ExitCode::unavailable, fmt::format("the base image has {} layers, but its config names {}",
                                                   state.layers.size(), state.config.diff_ids.size()));
  for (std::size_t i = 0; i < state.layers.size(); ++i)
    out.push_back(snapshots_.unpacked(store_, state.layers[i], state.config.diff_ids[i]));
  return out;
}

std::optional<Owner> StageBuilder::owner_of(const StageState& state, const std::string& chown) {
  if (chown.empty()) return std::nullopt;
  const bool numeric = chown.find_first_not_of("0123456789:") == std::string::npos;
  if (numeric && chown.front() != ':') {
    const auto who = oci::find_user({}, chown);
    return Owner{who.uid, chown.find(':') == std::string::npos ? who.uid : who.gid};
  }
  const auto view = snapshots_.view(lowers(state));
  const auto who = oci::find_user(oci::UserFiles::read(view.fd()), chown);
  return Owner{who.uid, who.gid};
}

void StageBuilder::workdir(StageState& state, const Instruction& made) {
  auto key = key_of(state, "WORKDIR");
  key.field(state.config.working_dir).field(state.config.user);
  keyed(state, made, key.finish(), [&] {
    const auto view = snapshots_.view(lowers(state));
    CopyOptions options;
    options.dest = state.config.working_dir;
    options.mtime = mtime_;
    options.owner = owner_of(state, state.config.user);
    CopyPlan plan(view.path(), options);
    plan.add_folder();
    return StepResult{plan.write(store_)};
  });
}

oci::Descriptor StageBuilder::finish(std::size_t index) {
  auto& state = built_.at(index);
  auto config = state.config;
  config.created = format_utc(mtime_ * 1'000'000);
  for (const auto& [name, value] : request_.labels) config.labels[name] = value;
  return store_.put_image(config, state.layers);
}

}  // namespace slipway::dockerfile
