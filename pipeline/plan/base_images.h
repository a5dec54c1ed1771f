// Which images a Dockerfile names, read before the run: so that a build waits only for the mirrors it uses.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// The references after FROM and --from=, canonical ("docker.io/library/python:3.11"); stages and scratch left
// out. Null when a reference holds a variable: it could be any. A guess for the order of steps only; the
// Dockerfile front end decides.
std::optional<std::vector<std::string>> base_images(std::string_view dockerfile);

// "docker.io/library/python:3.11" for "python:3.11"; the text itself when it is no reference.
std::string canonical_reference(const std::string& text);

}  // namespace slipway
