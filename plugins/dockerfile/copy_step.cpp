// COPY and ADD of a stage: keys by content, files from the context, another stage or another image.
#include <charconv>

#include "base/error.h"
#include "oci/scratch.h"
#include "plugins/dockerfile/archive.h"
#include "plugins/dockerfile/stage_builder.h"
#include "sys/files.h"

namespace slipway::dockerfile {

// `digest` names all files of a stage or an image, so that what was taken from it before need not be read
// again.
struct StageBuilder::From {
  bool context = true;
  std::vector<fs::path> lowers;
  std::vector<oci::Descriptor> layers;
  std::vector<Digest> diff_ids;
  std::string name = "the context";
};

namespace {

mode_t mode_of(const std::string& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc{} || end != text.data() + text.size() || value > 07777)
    throw Error(ExitCode::usage, fmt::format("`--chmod={}` is no octal mode", text)).hint("one is `755`");
  return value;
}

IgnoreRules read_ignore(const BuildRequest& request) {
  const auto own = fs::path(request.dockerfile.string() + ".dockerignore");
  if (const auto text = read_file_if_exists(own, 4u << 20)) return {*text, own.filename().string()};
  if (const auto text = read_file_if_exists(request.context / ".dockerignore", 4u << 20))
    return {*text, ".dockerignore"};
  return {};
}

// ADD unpacks an archive with its owners; it stands for the folder it holds then.
std::vector<Source> unpacked(std::vector<Source> sources, const fs::path& scratch) {
  std::vector<Source> out;
  int count = 0;
  for (auto& source : sources) {
    if (source.is_dir() || !S_ISREG(source.nodes.front().st.st_mode) ||
        !is_archive(source.nodes.front().full)) {
      out.push_back(std::move(source));
      continue;
    }
    const auto dir = scratch / fmt::format("archive-{}", count++);
    make_dirs(dir);
    unpack_archive(source.nodes.front().full, dir);
    SourceTree tree{dir, {}, true, "`" + source.path + "`"};
    out.push_back(std::move(select_sources(tree, "/").front()));
  }
  return out;
}

}  // namespace

StageBuilder::From StageBuilder::source_of(const Stage& stage, const Instruction& made) {
  From out;
  const auto name = made.flag_value("from");
  if (name.empty()) return out;
  out.context = false;
  if (const auto it = stage.copies.find(&made); it != stage.copies.end()) {
    const auto& source = built_.at(static_cast<std::size_t>(it->second));
    out.layers = source.layers;
    out.diff_ids = source.config.diff_ids;
    out.name = fmt::format("the stage `{}`", name);
  } else {
    auto image = bases_.get(name, request_.platform);
    out.layers = image.manifest.layers;
    out.diff_ids = image.config.diff_ids;
    out.name = fmt::format("the image `{}`", name);
  }
  return out;
}

void StageBuilder::copy(StageState& state, const Stage& stage, const Instruction& made) {
  auto from = source_of(stage, made);
  if (from.context && !ignore_) ignore_ = read_ignore(request_);

  std::vector<std::string> patterns;
  std::vector<std::pair<std::string, std::string>> texts;
  for (std::size_t i = 0, doc = 0; i + 1 < made.words.size(); ++i) {
    if (!made.json && made.words[i].starts_with("<<") && doc < made.heredocs.size()) {
      const auto& heredoc = made.heredocs[doc++];
      texts.emplace_back(heredoc.name, heredoc.expand
                                           ? expand_heredoc(heredoc.content, state.variables, state.escape)
                                           : heredoc.content);
    } else {
      patterns.push_back(state.expanded(made.words[i]));
    }
  }
  const auto dest = state.absolute(state.expanded(made.words.back()));
  const auto chown = state.expanded(made.flag_value("chown"));
  const auto chmod = state.expanded(made.flag_value("chmod"));

  // The tree that is copied from, mounted only when it is looked into.
  std::optional<oci::MountedRoot> mounted;
  std::optional<std::vector<Source>> selected;
  const auto tree = [&]() -> SourceTree {
    if (from.context) return {request_.context, *ignore_, false, from.name};
    if (!mounted) {
      StageState source;
      source.layers = from.layers;
      source.config.diff_ids = from.diff_ids;
      mounted.emplace(snapshots_.view(lowers(source)));
    }
    return {mounted->path(), {}, true, from.name};
  };
  const auto sources = [&]() -> const std::vector<Source>& {
    if (!selected) {
      selected.emplace();
      const auto from_tree = tree();
      for (const auto& pattern : patterns)
        for (auto& source : select_sources(from_tree, pattern)) selected->push_back(std::move(source));
    }
    return *selected;
  };

  // What a stage holds is known by its layers: its files are read once for each set of patterns.
  Digest content;
  if (from.context) {
    content = digest_of(sources());
  } else {
    Hasher known;
    known.field("slipway copy-from 1");
    for (const auto& diff_id : from.diff_ids) known.field(diff_id.hex());
    for (const auto& pattern : patterns) known.field(pattern);
    const auto memory = cache_dir_ / "copied" / known.finish().hex();
    if (const auto text = read_file_if_exists(memory); text && Digest::parse(*text)) {
      content = *Digest::parse(*text);
    } else {
      content = digest_of(sources());
      make_dirs(memory.parent_path());
      write_file_atomic(memory, content.str());
    }
  }

  auto key = key_of(state, made.keyword);
  key.field(content.hex()).field(dest).field(chown).field(chmod).field(from.context ? "context" : "root");
  for (const auto& [name, text] : texts) key.field(name).field(text);
  keyed(state, made, key.finish(), [&] {
    const oci::Scratch scratch(cache_dir_, "copy");
    const auto view = snapshots_.view(lowers(state));
    const auto all = made.keyword == "ADD" ? unpacked(sources(), scratch.path()) : sources();
    if (all.size() + texts.size() > 1 && !dest.ends_with('/'))
      throw Error(ExitCode::failed, fmt::format("{} files are copied, so `{}` must be a folder",
                                                all.size() + texts.size(), made.words.back()))
          .hint(fmt::format("write `{}/`", made.words.back()));
    CopyOptions options;
    options.dest = dest;
    options.mtime = mtime_;
    options.owner = owner_of(state, chown);
    if (!chmod.empty()) options.mode = mode_of(chmod);
    CopyPlan plan(view.path(), options);
    for (const auto& source : all) plan.add(source);
    for (const auto& [name, text] : texts) plan.add_text(name, text);
    return StepResult{plan.write(store_)};
  });
}

}  // namespace slipway::dockerfile
