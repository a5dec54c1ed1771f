// Image references as Docker reads them: [HOST[:PORT]/]PATH[:TAG][@DIGEST] (distribution/reference).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "sys/digest.h"

namespace slipway::oci {

struct Reference {
  std::string registry;    // "docker.io" when none is written; with port when written
  std::string repository;  // "library/python"
  std::string tag;         // "latest" when neither tag nor digest is written; may be empty with a digest
  std::optional<Digest> digest;

  // Throws Error(usage) naming what is wrong (upper case, bad tag, bad digest).
  static Reference parse(std::string_view text);
  std::string str() const;       // canonical, with registry: "docker.io/library/python:3.11"
  std::string familiar() const;  // as the user would write it: "python:3.11"
  std::string name() const { return registry + "/" + repository; }
  bool operator==(const Reference&) const = default;
};

}  // namespace slipway::oci
