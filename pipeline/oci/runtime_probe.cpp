// Finds the OCI runtime that works on this machine by running something in it: versions and features say too
// little (crun 1.8 refuses a host with both cgroup versions unless it sees only the second).
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "oci/sandbox.h"
#include "oci/scratch.h"
#include "sys/digest.h"
#include "sys/files.h"

namespace slipway::oci {

class RuntimeProbe {
 public:
  explicit RuntimeProbe(const fs::path& cache_dir) : cache_dir_(cache_dir) {}

  Runtime find() {
    std::vector<Runtime> candidates;
    for (const char* name : {"crun", "runc"}) {
      const auto program = find_program(name);
      if (!program) {
        complaints_ += fmt::format("{} is not installed\n", name);
        continue;
      }
      for (const bool private_cgroup : {false, true})
        candidates.push_back(candidate(name, *program, private_cgroup));
    }
    const auto cached = cache_dir_ / "runtime" / key(candidates);
    const auto known = read_file_if_exists(cached);
    for (const auto& runtime : candidates)
      if (known && *known == label(runtime)) return runtime;
    for (const auto& runtime : candidates) {
      if (!works(runtime)) continue;
      make_dirs(cached.parent_path());
      write_file_atomic(cached, label(runtime));
      return runtime;
    }
    throw Error(ExitCode::unavailable, "no container runtime works on this machine")
        .detail(complaints_)
        .hint(::geteuid() == 0 ? "apt-get install crun runc" : "run slipway as root (`sudo slipway …`)");
  }

 private:
  Runtime candidate(const std::string& name, const fs::path& program, bool private_cgroup) const {
    Runtime runtime;
    runtime.name_ = name;
    runtime.program_ = program;
    runtime.cache_dir_ = cache_dir_;
    runtime.state_root_ =
        "/run/slipway/runtime";  // containers end with the machine, and so does what is known of them
    runtime.private_cgroup_ = private_cgroup;
    return runtime;
  }

  static std::string label(const Runtime& runtime) {
    return runtime.name_ + (runtime.private_cgroup_ ? " with a private cgroup mount" : "");
  }

  // What the answer depends on: the programs, the kernel, the cgroup mounts, and who we are.
  static std::string key(const std::vector<Runtime>& candidates) {
    Hasher hasher;
    for (const auto& runtime : candidates) {
      struct stat st {};
      ::stat(runtime.program_.c_str(), &st);
      hasher.field(runtime.program_.string()).field(fmt::format("{} {}", st.st_size, st.st_mtim.tv_sec));
    }
    utsname kernel{};
    ::uname(&kernel);
    hasher.field(kernel.release).field(std::to_string(::geteuid()));
    hasher.field(fs::exists("/sys/fs/cgroup/cgroup.controllers") ? "unified" : "other");
    return hasher.finish().hex();
  }

  // This machine's own programs, read-only, as the root.
  static SandboxSpec trial(const fs::path& dir) {
    SandboxSpec spec;
    const auto skeleton = dir / "skeleton";
    for (const char* name : {"usr", "etc"}) make_dirs(skeleton / name);
    spec.mounts.push_back({"/usr", "/usr", true});
    for (const char* name : {"bin", "lib", "lib64", "sbin"}) {
      const auto own = fs::path("/") / name;
      std::error_code ec;
      if (fs::is_symlink(own, ec))
        fs::copy_symlink(own, skeleton / name, ec);
      else if (fs::is_directory(own, ec))
        spec.mounts.push_back({own.string(), own.string(), true});
    }
    for (const char* name : {"upper", "work"}) make_dirs(dir / name);
    spec.overlay = Overlay{{skeleton}, dir / "upper", dir / "work"};
    spec.args = {"/usr/bin/env", "true"};
    return spec;
  }

  bool works(const Runtime& runtime) {
    std::string output;
    std::string why;
    try {
      const Scratch scratch(cache_dir_, "probe");
      WaitOptions options;
      options.timeout = Millis{20'000};
      const auto finished = runtime.run(
          trial(scratch.path()), [&](Stream, std::string_view text) { output.append(text.substr(0, 4096)); },
          options);
      if (finished.status.ok()) return true;
      why = finished.timed_out ? "no answer within 20 s" : finished.status.str();
    } catch (const Error& e) {
      why = e.message();
    }
    while (output.ends_with('\n')) output.pop_back();
    complaints_ += fmt::format("{}: {}{}{}\n", label(runtime), why, output.empty() ? "" : ": ", output);
    return false;
  }

  fs::path cache_dir_;
  std::string complaints_;
};

Runtime Runtime::probe(const fs::path& cache_dir) {
  return RuntimeProbe(cache_dir).find();
}

}  // namespace slipway::oci
