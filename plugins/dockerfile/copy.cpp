#include "plugins/dockerfile/copy.h"

#include "base/error.h"
#include "oci/pack.h"
#include "oci/rootpath.h"

namespace slipway::dockerfile {

using oci::Entry;
using oci::resolve_in;
using oci::stat_in;

namespace {

Entry::Type kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return Entry::Type::dir;
  if (S_ISLNK(mode)) return Entry::Type::symlink;
  return Entry::Type::file;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string below(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

}  // namespace

std::optional<Entry::Type> CopyPlan::kind_at(const std::string& path) const {
  if (path.empty()) return Entry::Type::dir;
  if (const auto it = items_.find(path); it != items_.end()) return it->second.entry.type;
  const auto st = stat_in(root_, path);
  return st ? std::optional(kind_of(st->st_mode)) : std::nullopt;
}

bool CopyPlan::dest_is_folder() const {
  if (options_.dest.ends_with('/')) return true;
  return kind_at(resolve_in(root_, options_.dest)) == Entry::Type::dir;
}

std::string CopyPlan::folder_at(const std::string& path) {
  const auto place = resolve_in(root_, path);
  if (place.empty() || items_.contains(place)) {
    if (kind_at(place) != Entry::Type::dir)
      throw Error(ExitCode::failed, fmt::format("`/{}` is a file, and a folder is needed there", place));
    return place;
  }
  folder_at(parent_of(place));
  Entry entry;
  entry.type = Entry::Type::dir;
  entry.path = place;
  entry.mtime = options_.mtime;
  if (const auto st = stat_in(root_, place)) {
    if (!S_ISDIR(st->st_mode))
      throw Error(ExitCode::failed, fmt::format("`/{}` is a file, and a folder is needed there", place));
    entry.mode = st->st_mode & 07777;
    entry.uid = st->st_uid;
    entry.gid = st->st_gid;
    entry.xattrs = oci::layer_xattrs(root_ / place);
  } else {
    entry.mode = 0755;
    if (options_.owner) {
      entry.uid = options_.owner->uid;
      entry.gid = options_.owner->gid;
    }
  }
  items_[place].entry = std::move(entry);
  return place;
}

Entry CopyPlan::entry_of(const std::string& path, const Node& node, bool keep_owner) const {
  Entry entry;
  entry.type = kind_of(node.st.st_mode);
  entry.path = path;
  entry.mode = node.st.st_mode & 07777;
  entry.mtime = options_.mtime;
  if (keep_owner) {
    entry.uid = node.st.st_uid;
    entry.gid = node.st.st_gid;
  }
  if (options_.owner) {
    entry.uid = options_.owner->uid;
    entry.gid = options_.owner->gid;
  }
  if (options_.mode && entry.type != Entry::Type::symlink) entry.mode = *options_.mode;
  entry.link = node.link;
  if (entry.type == Entry::Type::symlink) entry.mode = 0777;
  if (entry.type == Entry::Type::file) {
    entry.size = static_cast<std::uint64_t>(node.st.st_size);
    entry.xattrs = oci::layer_xattrs(node.full);
  }
  return entry;
}

void CopyPlan::put(const std::string& path, const Node& node, bool keep_owner) {
  Item item{entry_of(path, node, keep_owner), node.full, {}, {}};
  if (item.entry.type == Entry::Type::file && node.st.st_nlink > 1)
    item.inode = {node.st.st_dev, node.st.st_ino};
  items_[path] = std::move(item);
}

void CopyPlan::add(const Source& source) {
  const auto& top = source.nodes.front();
  if (!source.is_dir()) {
    std::string place;
    if (dest_is_folder()) {
      place = below(folder_at(options_.dest), source.named);
    } else {
      const auto wanted = resolve_in(root_, options_.dest);
      place = below(folder_at(parent_of(wanted)), fs::path(wanted).filename().string());
    }
    if (kind_at(place) == Entry::Type::dir)
      throw Error(ExitCode::failed,
                  fmt::format("`{}` is a file and cannot replace the folder `/{}`", source.path, place));
    return put(place, top, source.keep_owner);
  }
  if (const auto there = kind_at(resolve_in(root_, options_.dest)); there && there != Entry::Type::dir)
    throw Error(ExitCode::failed, fmt::format("`{}` is a folder and cannot be copied onto the file `{}`",
                                              source.path, options_.dest));
  const auto base = folder_at(options_.dest);
  for (std::size_t i = 1; i < source.nodes.size(); ++i) {
    const auto& node = source.nodes[i];
    const auto path = below(base, node.path);
    const bool dir = S_ISDIR(node.st.st_mode);
    const auto there = kind_at(path);
    if (there && dir != (there == Entry::Type::dir))
      throw Error(ExitCode::failed,
                  fmt::format("`{}` is {}, but `/{}` in the image is {}", below(source.path, node.path),
                              dir ? "a folder" : "a file", path, dir ? "none" : "a folder"));
    put(path, node, source.keep_owner);
  }
}

void CopyPlan::add_text(const std::string& name, std::string content) {
  std::string place;
  if (dest_is_folder()) {
    place = below(folder_at(options_.dest), name);
  } else {
    const auto wanted = resolve_in(root_, options_.dest);
    place = below(folder_at(parent_of(wanted)), fs::path(wanted).filename().string());
  }
  Item item;
  item.entry.path = place;
  item.entry.mode = options_.mode.value_or(0644);
  item.entry.mtime = options_.mtime;
  item.entry.size = content.size();
  if (options_.owner) {
    item.entry.uid = options_.owner->uid;
    item.entry.gid = options_.owner->gid;
  }
  item.text = std::move(content);
  items_[place] = std::move(item);
}

void CopyPlan::add_folder() {
  // Only when it is not there: a layer that repeats it would say nothing.
  if (kind_at(resolve_in(root_, options_.dest)) != Entry::Type::dir) folder_at(options_.dest);
}

std::optional<oci::Layer> CopyPlan::write(const oci::Store& store) const {
  if (items_.empty()) return std::nullopt;
  oci::LayerWriter writer(store);
  std::map<std::pair<dev_t, ino_t>, std::string> first;  // file with several names → the one with the content
  for (const auto& [path, item] : items_) {
    if (item.entry.type != Entry::Type::file) {
      writer.add(item.entry);
    } else if (item.text) {
      writer.add_file(item.entry, std::string_view(*item.text));
    } else if (const auto known = item.inode.second ? first.find(item.inode) : first.end();
               known != first.end()) {
      auto link = item.entry;
      link.type = Entry::Type::hardlink;
      link.link = known->second;
      link.size = 0;
      link.xattrs.clear();
      writer.add(link);
    } else {
      if (item.inode.second) first.emplace(item.inode, path);
      writer.add_file(item.entry, item.content);
    }
  }
  return writer.finish();
}

}  // namespace slipway::dockerfile
