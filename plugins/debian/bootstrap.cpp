#include "plugins/debian/bootstrap.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "oci/pack.h"
#include "plugins/debian/sources.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::debian {

namespace {

namespace fs = std::filesystem;

// The machine's own way to its mirror: proxies, timeouts and the like, which apt reads from many places.
std::string apt_options() {
  std::string out;
  Command dump;
  dump.argv = {"apt-config", "dump", "Acquire"};
  std::istringstream stream(run_capture(dump));
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with("Acquire::") && line.find(" \"\";") == std::string::npos &&
        line.find("::GzipIndexes") == std::string::npos)
      out += line + "\n";
  return out;
}

// Our death kills `unshare`, and that everything in its namespaces, mounts included.
const std::vector<std::string> namespaces = {"setpriv", "--pdeathsig",  "KILL",
                                             "unshare", "--mount",      "--pid",
                                             "--fork",  "--kill-child", "--mount-proc"};

std::vector<std::string> mmdebstrap(const Bootstrap& wanted, const std::string& variant,
                                    const fs::path& work) {
  std::vector<std::string> out = {require_program("mmdebstrap").string(), "--mode=root", "--format=directory",
                                  "--variant=" + variant, "--skip=check/qemu,check/empty"};
  if (!wanted.architecture.empty()) out.push_back("--architectures=" + wanted.architecture);
  write_file_atomic(work / "apt.conf", apt_options(), 0600);  // a proxy may hold a password: not in argv
  out.push_back("--aptopt=" + (work / "apt.conf").string());
  // A build that is cut off is begun again: nothing is gained by waiting for the disk after each file.
  out.push_back("--dpkgopt=force-unsafe-io");
  if (wanted.keep_docs) return out;
  for (const char* path :
       {"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*",
        "/usr/share/linda/*", "/usr/share/groff/*", "/usr/share/locale/*"})
    out.push_back(fmt::format("--dpkgopt=path-exclude={}", path));
  out.push_back("--dpkgopt=path-include=/usr/share/doc/*/copyright");
  return out;
}

void add_target(std::vector<std::string>& argv, const Bootstrap& wanted, const fs::path& root,
                const fs::path& work) {
  argv.push_back(wanted.suite);
  argv.push_back(root.string());
  for (const auto& source : sources_for(wanted.suite, wanted.mirror, "/etc/apt", work / "keys"))
    argv.push_back(source.line());
}

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// What mmdebstrap runs when the root is ready: apt from outside, so that the image needs none of its own.
std::string install_script(const std::vector<std::string>& packages) {
  std::string out =
      "#!/bin/sh\nset -e\nexport APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\"\n"
      "exec apt-get -o Dir::Bin::dpkg=env -o DPkg::Options::=--unset=TMPDIR -o DPkg::Options::=dpkg "
      "-o DPkg::Chroot-Directory=\"$1\" -o Dpkg::Use-Pty=false --quiet --yes install --";
  for (const auto& package : packages) out += " " + quoted(package);
  return out + "\n";
}

// "E: Unable to locate package foo" → "there is no package `foo` in `bookworm`".
std::string reason_in(const std::string& output, const std::string& suite) {
  std::string last;
  std::istringstream stream(output);
  for (std::string line; std::getline(stream, line);) {
    for (const std::string_view sign : {"E: Unable to locate package ", "E: Couldn't find any package by "})
      if (line.starts_with(sign)) {
        auto name = line.substr(line.rfind(' ') + 1);
        std::erase(name, '\'');
        return fmt::format("there is no package `{}` in `{}`", name, suite);
      }
    if (const auto at = line.find("' has no installation candidate"); at != std::string::npos) {
      const auto quote = line.rfind('\'', at - 1);
      return fmt::format("the package `{}` cannot be installed from `{}`",
                         line.substr(quote + 1, at - quote - 1), suite);
    }
    if (line.starts_with("E: ") && line.find("apt-get") == std::string::npos &&
        line.find("mmdebstrap") == std::string::npos)
      last = line.substr(3);
  }
  return last.empty() ? "mmdebstrap failed" : "mmdebstrap failed: " + last;
}

std::string last_lines(const std::string& text, int count) {
  auto from = text.ends_with('\n') ? text.size() - 1 : text.size();
  while (count-- > 0 && from != std::string::npos && from > 0) from = text.rfind('\n', from - 1);
  return text.substr(from == std::string::npos ? 0 : from == 0 ? 0 : from + 1);
}

void remove_if_there(const fs::path& path) {
  std::error_code ec;
  if (!fs::exists(fs::symlink_status(path, ec))) return;
  if (fs::is_directory(fs::symlink_status(path, ec)))
    remove_tree(path);
  else
    fs::remove(path, ec);
}

void empty_folder(const fs::path& dir) {
  std::error_code ec;
  std::vector<fs::path> inside;
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    inside.push_back(it->path());
  for (const auto& path : inside) remove_if_there(path);
}

// Empties the files of a log folder, which services expect to be there.
void truncate_files(const fs::path& dir) {
  std::error_code ec;
  for (fs::recursive_directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    if (it->is_regular_file(ec) && !it->is_symlink(ec)) fs::resize_file(it->path(), 0, ec);
}

void remove_files(const fs::path& dir) {
  std::error_code ec;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    if (!fs::is_directory(it->symlink_status())) files.push_back(it->path());
  for (const auto& path : files) fs::remove(path, ec);
}

// What this run left: `root` is a whole root, or an upper on top of one that was cleaned.
void clean(const fs::path& root) {
  for (const char* path : {"etc/resolv.conf",
                           "etc/hostname",
                           "etc/apt/apt.conf.d/99mmdebstrap",
                           "etc/apt/sources.list",
                           "etc/apt/sources.list.d",
                           "etc/passwd-",
                           "etc/group-",
                           "etc/shadow-",
                           "etc/gshadow-",
                           "etc/subuid-",
                           "etc/subgid-",
                           "var/cache/ldconfig/aux-cache",
                           "var/cache/debconf/config.dat-old",
                           "var/cache/debconf/templates.dat-old",
                           "var/lib/dpkg/status-old",
                           "var/lib/dpkg/diversions-old",
                           "var/lib/dpkg/statoverride-old",
                           "var/lib/dbus/machine-id",
                           "var/lib/systemd/random-seed",
                           "var/log/dpkg.log",
                           "var/log/alternatives.log",
                           "var/log/bootstrap.log",
                           "var/log/apt",
                           "var/lib/apt/lists",
                           "var/cache/apt"})
    remove_if_there(root / path);
  for (const char* path : {"tmp", "var/tmp", "dev"})
    empty_folder(root / path);  // a runtime makes its own devices
  remove_files(root / "run");   // folders there are a package's
  truncate_files(root / "var/log");
  if (fs::exists(root / "etc/machine-id")) write_file_atomic(root / "etc/machine-id", "");
}

// Debian's own address, not that of the mirror that was nearest here: the image is the same everywhere.
void write_sources(const fs::path& root, const Bootstrap& wanted) {
  if (!fs::is_directory(root / "etc/apt")) return;
  for (const char* path :
       {"var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "etc/apt/sources.list.d"})
    make_dirs(root / path);
  std::string text = fmt::format("deb http://deb.debian.org/debian {} main\n", wanted.suite);
  if (wanted.suite != "sid" && wanted.suite != "unstable" && wanted.suite != "testing")
    text += fmt::format(
        "deb http://deb.debian.org/debian {0}-updates main\n"
        "deb http://deb.debian.org/debian-security {0}-security main\n",
        wanted.suite);
  write_file_atomic(root / "etc/apt/sources.list", text);
}

// "I: installing essential packages...": what mmdebstrap itself says it does, step by step. Of its warnings
// one comes always: apt's sandbox user may not enter a folder that is ours alone.
void tell(const std::string& line, bool error_stream, Context& context) {
  if (line.starts_with("I: ")) {
    const bool trivial = line.find("skipping") != std::string::npos || line.starts_with("I: no ") ||
                         line.starts_with("I: finding ") || line.starts_with("I: running --");
    if (!trivial) context.progress({line.substr(3), 0, 0, ""});
  } else if (!line.starts_with("W: Download is performed unsandboxed")) {
    context.log(line + "\n", error_stream);
  }
}

// Runs it with its output told as it comes; the failure when there is one.
std::optional<Outcome> run_told(std::vector<std::string> argv, const Bootstrap& wanted, const fs::path& work,
                                Context& context) {
  if (::geteuid() != 0)
    throw Error(ExitCode::unavailable, "images of Debian packages are made as root")
        .hint("run slipway with sudo");
  std::string errors, line;
  WaitOptions options;
  options.stop = context.stop();
  options.grace = Millis{2'000};
  Command command;
  command.argv = std::move(argv);
  command.env = {{"SOURCE_DATE_EPOCH", std::to_string(oci::layer_time)},
                 {"LC_ALL", "C.UTF-8"},
                 {"DEBIAN_FRONTEND", "noninteractive"},
                 {"PYTHONHASHSEED", "0"},  // the order of sets in what maintainer scripts compile
                 {"TMPDIR", work.string()}};
  const auto finished = run_process(
      command,
      [&](Stream stream, std::string_view text) {
        if (errors.size() < (1u << 20)) errors += text;
        for (const char c : text) {
          if (c != '\n' && c != '\r') {
            line += c;
            continue;
          }
          tell(line, stream == Stream::err, context);
          line.clear();
        }
      },
      options);
  if (finished.cancelled) throw Error(ExitCode::interrupted, "the build was stopped");
  if (!finished.status.ok()) {
    auto failed = Outcome::failed(reason_in(errors, wanted.suite));
    failed.detail = last_lines(errors, 15);
    return failed;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Outcome> bootstrap(const Bootstrap& wanted, const fs::path& root, const fs::path& work,
                                 Context& context) {
  auto argv = namespaces;
  for (auto& part : mmdebstrap(wanted, wanted.variant, work)) argv.push_back(std::move(part));
  add_target(argv, wanted, root, work);
  if (auto failed = run_told(std::move(argv), wanted, work, context)) return failed;
  clean(root);
  write_sources(root, wanted);
  return std::nullopt;
}

std::optional<Outcome> add_packages(const Bootstrap& wanted, const fs::path& base, const fs::path& work,
                                    Context& context) {
  for (const char* name : {"upper", "work", "root"}) make_dirs(work / name);
  write_file_atomic(work / "install", install_script(wanted.packages), 0755);
  auto argv = namespaces;
  for (const auto& part :
       {std::string("sh"), std::string("-c"),
        std::string("mount -t overlay -o \"$1\" overlay \"$2\" && shift 2 && exec \"$@\""), std::string("sh"),
        fmt::format("redirect_dir=off,metacopy=off,index=off,lowerdir={},upperdir={},workdir={}",
                    base.string(), (work / "upper").string(), (work / "work").string()),
        (work / "root").string()})
    argv.push_back(part);
  for (auto& part : mmdebstrap(wanted, "custom", work)) argv.push_back(std::move(part));
  argv.push_back("--customize-hook=" + (work / "install").string());
  add_target(argv, wanted, work / "root", work);
  if (auto failed = run_told(std::move(argv), wanted, work, context)) return failed;
  clean(work / "upper");
  return std::nullopt;
}

}  // namespace slipway::debian
