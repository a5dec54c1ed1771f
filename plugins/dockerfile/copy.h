// COPY and ADD: where each source lands in the image, and the layer that this makes.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "oci/layer.h"
#include "plugins/dockerfile/sources.h"

namespace slipway::dockerfile {

struct Owner {
  std::uint32_t uid = 0, gid = 0;
};

struct CopyOptions {
  std::string dest;            // absolute; with a trailing '/' it is a folder
  std::optional<Owner> owner;  // --chown; else the sources' own, or root
  std::optional<mode_t> mode;  // --chmod
  std::int64_t mtime = 0;
};

// What will be in a layer, by path; made against the root it goes on top of, so that links in the destination
// are followed and folders that are there keep their mode and owner.
class CopyPlan {
 public:
  CopyPlan(fs::path root, CopyOptions options) : root_(std::move(root)), options_(std::move(options)) {}

  void add(const Source& source);                                  // throws Error(failed) when kinds clash
  void add_text(const std::string& name, std::string content);     // a heredoc: a file of root's, 0644
  void add_folder();                                               // the destination itself (WORKDIR)
  std::optional<oci::Layer> write(const oci::Store& store) const;  // nullopt: nothing to write

 private:
  struct Item {
    oci::Entry entry;
    fs::path content;
    std::optional<std::string> text;
    std::pair<dev_t, ino_t> inode{};  // of a file with several names
  };
  bool dest_is_folder() const;
  std::string folder_at(
      const std::string& path);  // makes it (and its parents) in the plan; where it really is
  void put(const std::string& path, const Node& node, bool keep_owner);
  oci::Entry entry_of(const std::string& path, const Node& node, bool keep_owner) const;
  std::optional<oci::Entry::Type> kind_at(const std::string& path) const;

  fs::path root_;
  CopyOptions options_;
  std::map<std::string, Item> items_;
};

}  // namespace slipway::dockerfile
