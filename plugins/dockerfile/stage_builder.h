// Builds stages one after another: every instruction from the cache, or run and put into it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "oci/sandbox.h"
#include "oci/snapshot.h"
#include "plugins/dockerfile/build.h"
#include "plugins/dockerfile/copy.h"
#include "plugins/dockerfile/sources.h"
#include "plugins/dockerfile/state.h"
#include "plugins/dockerfile/step_cache.h"

namespace slipway::dockerfile {

// HTTP_PROXY and its like reach RUN without an ARG, and are in no key and no history.
bool is_proxy_argument(std::string_view name);

class StageBuilder {
 public:
  StageBuilder(const BuildRequest& request, const ParsedBuild& parsed, std::int64_t mtime, oci::Store& store,
               const fs::path& cache_dir, Context& context);
  // Builds one stage; those it needs were built before. The failure of a RUN, if there was one.
  std::optional<Outcome> stage(std::size_t index);
  // Writes the image of a built stage.
  oci::Descriptor finish(std::size_t index);
  int steps() const { return done_; }     // instructions that may make a layer, so far
  int cached() const { return cached_; }  // of these, from the cache

 private:
  std::optional<Outcome> step(StageState& state, const Stage& stage, const Instruction& made);
  void announce(const Instruction& made);
  void history(StageState& state, const Instruction& made, bool empty) const;
  void append(StageState& state, const Instruction& made, const StepResult& result);
  // From the cache, else made by `work` and kept; nothing when that has no answer.
  void keyed(StageState& state, const Instruction& made, const Digest& key,
             const std::function<std::optional<StepResult>()>& work);
  Hasher key_of(const StageState& state, std::string_view kind) const;

  void from(StageState& state, const Stage& stage);
  void workdir(StageState& state, const Instruction& made);
  void copy(StageState& state, const Stage& stage, const Instruction& made);
  std::optional<Outcome> run(StageState& state, const Instruction& made);
  std::optional<Owner> owner_of(const StageState& state, const std::string& chown);
  std::vector<fs::path> lowers(const StageState& state);
  struct From;  // where a COPY takes its files
  From source_of(const Stage& stage, const Instruction& made);

  const BuildRequest& request_;
  const ParsedBuild& parsed_;
  std::int64_t mtime_;
  oci::Store& store_;
  fs::path cache_dir_;
  Context& context_;
  oci::Snapshots snapshots_;
  StepCache cache_;
  BaseImages bases_;
  std::optional<oci::Runtime> runtime_;  // probed at the first RUN that is not cached
  std::optional<IgnoreRules> ignore_;    // of the context, read at the first COPY
  std::map<std::size_t, StageState> built_;
  int total_ = 0, done_ = 0, cached_ = 0;
};

}  // namespace slipway::dockerfile
