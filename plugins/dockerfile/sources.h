// What a COPY or ADD takes: files chosen by patterns out of a context or another stage, with their content's
// digest.
#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/patterns.h"
#include "sys/digest.h"

namespace slipway::dockerfile {

namespace fs = std::filesystem;

// A folder that files are copied out of.
struct SourceTree {
  fs::path root;
  IgnoreRules ignore;       // of a context
  bool keep_owner = false;  // false: everything belongs to root
  std::string name;         // "the context", "the stage `build`", for messages
};

struct Node {
  std::string path;  // below the Source; "" for itself
  fs::path full;
  struct stat st {};
  std::string link;  // of a symbolic link
};

struct Source {
  std::string path;         // in the tree, as it matched
  std::string named;        // its last component, before links were followed; "" for the tree's root
  std::vector<Node> nodes;  // itself, then what is below it, sorted
  bool keep_owner = false;  // as its tree says
  bool is_dir() const { return S_ISDIR(nodes.front().st.st_mode); }
};

// The sources for one pattern. A pattern without wildcards that matches nothing is Error(failed), naming the
// rule that ignores it or a near name; so is what cannot be copied: a FIFO, a socket, a device, a link that
// leaves the tree.
std::vector<Source> select_sources(const SourceTree& tree, const std::string& pattern);

// Names, kinds, modes, owners and contents; no times.
Digest digest_of(const std::vector<Source>& sources);

}  // namespace slipway::dockerfile
