#include "cli/debian_bases.h"

#include <algorithm>
#include <cctype>

namespace slipway::cli {

namespace {

// Packages of Python with the name they have in Debian 12, where that is "python3-" and their own.
constexpr std::string_view kPython[] = {
    "aiohttp",    "bottle",    "celery",  "click",   "django",   "falcon",  "fastapi",  "flask",
    "gunicorn",   "httpx",     "jinja2",  "lxml",    "markdown", "numpy",   "pandas",   "prometheus-client",
    "psycopg2",   "pydantic",  "pymysql", "pymongo", "pytest",   "redis",   "requests", "scipy",
    "sqlalchemy", "starlette", "tornado", "uvicorn", "waitress", "werkzeug"};

// The name a line of requirements.txt begins with, as indexes compare it: "Flask_Cors>=2" is "flask-cors".
std::string requirement(std::string_view line) {
  std::string out;
  for (const char c : line.substr(std::min(line.find_first_not_of(" \t"), line.size()))) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c == '-' || c == '_' || c == '.')
      out += '-';
    else
      break;
  }
  return out;
}

void add(std::vector<std::string>& packages, const std::string& package) {
  if (std::find(packages.begin(), packages.end(), package) == packages.end()) packages.push_back(package);
}

}  // namespace

DebianBase python_base(std::string_view requirements) {
  DebianBase out{"python",
                 "docker.io/library/python:3.11",
                 {"python3", "python3-pip"},
                 "      links: {/usr/local/bin/python: /usr/bin/python3}\n"
                 "      remove: [/usr/lib/python3.11/EXTERNALLY-MANAGED]\n"};
  while (!requirements.empty()) {
    const auto end = std::min(requirements.find('\n'), requirements.size());
    const auto name = requirement(requirements.substr(0, end));
    if (name == "pyyaml") add(out.packages, "python3-yaml");
    if (std::find(std::begin(kPython), std::end(kPython), name) != std::end(kPython))
      add(out.packages, "python3-" + name);
    requirements.remove_prefix(std::min(end + 1, requirements.size()));
  }
  return out;
}

DebianBase node_base(bool with_npm) {
  DebianBase out{"node", "docker.io/library/node:18", {"nodejs"}, ""};
  if (with_npm) out.packages.emplace_back("npm");
  return out;
}

DebianBase golang_base() {
  return {"golang",
          "docker.io/library/golang:1.19",
          {"golang-go", "ca-certificates"},
          "      config: {env: {GOCACHE: /tmp/go-cache, GOPATH: /go}}\n"};
}

DebianBase gcc_base() {
  return {"gcc", "docker.io/library/gcc:12", {"g++", "cmake", "make"}, ""};
}

DebianBase slim_base() {
  return {"debian-slim", "docker.io/library/debian:bookworm-slim", {"libstdc++6", "ca-certificates"}, ""};
}

std::vector<DebianBase> merged(const std::vector<DebianBase>& bases, const std::vector<std::string>& taken) {
  std::vector<DebianBase> out;
  for (const auto& base : bases) {
    const auto same =
        std::find_if(out.begin(), out.end(), [&](const auto& o) { return o.reference == base.reference; });
    if (same != out.end()) {
      for (const auto& package : base.packages) add(same->packages, package);
      continue;
    }
    out.push_back(base);
    while (std::find(taken.begin(), taken.end(), out.back().name) != taken.end()) out.back().name += "-base";
  }
  return out;
}

std::string mirrors_yaml(const std::vector<DebianBase>& bases) {
  std::string out =
      "# Where no public registry can be reached, images made from Debian packages answer for the usual "
      "names.\n"
      "# Take these lines away and the same Dockerfiles use the public images.\n"
      "registry:\n  mirrors:\n";
  for (const auto& base : bases) out += fmt::format("    {}: {{image: {}}}\n", base.reference, base.name);
  return out;
}

std::string images_yaml(const std::vector<DebianBase>& bases) {
  std::string out;
  for (const auto& base : bases)
    out += fmt::format("  {}:\n    uses: debian\n    with:\n      packages: [{}]\n{}", base.name,
                       fmt::join(base.packages, ", "), base.more);
  return out;
}

}  // namespace slipway::cli
