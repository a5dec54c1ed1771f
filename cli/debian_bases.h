// Images made of Debian packages that answer for usual base images where no public registry can be reached.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace slipway::cli {

struct DebianBase {
  std::string name;       // of the image in the spec
  std::string reference;  // that it answers for: "docker.io/library/python:3.11"
  std::vector<std::string> packages;
  std::string more;  // further lines of its `with`, YAML, each ended and indented as `packages` is
};

// `requirements` is the text of a requirements.txt: what Debian packages too, pip finds satisfied.
DebianBase python_base(std::string_view requirements);
DebianBase node_base(bool with_npm);
DebianBase golang_base();
DebianBase gcc_base();
DebianBase slim_base();  // what a program in C++ needs to run

// One base a reference, with the packages of all; names that are `taken` get "-base" behind them.
std::vector<DebianBase> merged(const std::vector<DebianBase>& bases, const std::vector<std::string>& taken);

// The spec's section `registry`, and the lines of the images below `images:`.
std::string mirrors_yaml(const std::vector<DebianBase>& bases);
std::string images_yaml(const std::vector<DebianBase>& bases);

}  // namespace slipway::cli
