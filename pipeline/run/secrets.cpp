#include "run/secrets.h"

#include <cstdlib>

#include "base/error.h"
#include "base/suggest.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxSecret = 1 << 20;  // bytes

// A value of one line loses the newline that editors and commands put at its end; a key file of many lines
// (PEM) keeps it, since its readers want it.
std::string without_final_newline(std::string text) {
  if (text.empty() || text.find('\n') != text.size() - 1) return text;
  text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

fs::path user_path(const std::string& name, const fs::path& project_dir) {
  if (name == "~" || name.starts_with("~/")) {
    const char* home = std::getenv("HOME");
    if (!home || !*home) throw Error(ExitCode::usage, fmt::format("`{}` needs HOME, which is not set", name));
    return fs::path(home) / fs::path(name.substr(name.size() > 1 ? 2 : 1));
  }
  return project_dir / name;  // an absolute name replaces the folder
}

}  // namespace

Secret resolve_secret(const std::string& name, const SecretSource& source, const fs::path& project_dir,
                      std::stop_token stop) {
  switch (source.kind) {
    case SecretSource::Kind::env: {
      const char* value = std::getenv(source.name.c_str());
      if (!value || !*value) {
        throw Error(ExitCode::usage,
                    fmt::format("secret `{}`: the environment variable `{}` is not set", name, source.name))
            .hint(fmt::format("export {}=…", source.name));
      }
      return Secret(value);
    }
    case SecretSource::Kind::file: {
      const auto path = user_path(source.name, project_dir);
      auto text = read_file_if_exists(path, kMaxSecret);
      if (!text)
        throw Error(ExitCode::usage, fmt::format("secret `{}`: there is no file `{}`", name, path.string()));
      auto value = without_final_newline(std::move(*text));
      if (value.empty())
        throw Error(ExitCode::usage, fmt::format("secret `{}`: the file `{}` is empty", name, path.string()));
      return Secret(std::move(value));
    }
    case SecretSource::Kind::command: {
      if (source.command.empty())
        throw Error(ExitCode::usage, fmt::format("secret `{}` has an empty command", name));
      try {
        Command command;
        command.argv = source.command;
        command.cwd = project_dir;
        WaitOptions options;
        options.stop = stop;
        options.timeout = Millis(60'000);
        auto text = run_capture(command, options);
        if (text.ends_with('\n')) text.pop_back();
        if (text.empty()) {
          throw Error(ExitCode::usage,
                      fmt::format("secret `{}`: the command `{}` printed nothing", name, source.command[0]));
        }
        return Secret(std::move(text));
      } catch (Error& e) {
        e.trail(fmt::format("while reading the secret `{}`", name));
        throw;
      }
    }
  }
  throw Error(ExitCode::internal, "a secret source of unknown kind");
}

Secret Secrets::get(const std::string& name, std::stop_token stop) {
  // Held while resolving: two steps that need the same secret ask its command once.
  std::lock_guard lock(mutex_);
  if (auto it = values_.find(name); it != values_.end()) return it->second;
  const auto source = sources_.find(name);
  if (source == sources_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : sources_) names.push_back(known);
    throw Error(ExitCode::usage, fmt::format("unknown secret `{}`", name)).hint(suggestion_hint(name, names));
  }
  Secret value = resolve_secret(name, source->second, project_dir_, stop);
  masker_.add(value);
  values_.emplace(name, value);
  return value;
}

json mask_json(const Masker& masker, const json& value) {
  if (value.is_string()) return masker.mask(value.get_ref<const std::string&>());
  if (value.is_array()) {
    json out = json::array();
    for (const auto& item : value) out.push_back(mask_json(masker, item));
    return out;
  }
  if (value.is_object()) {
    json out = json::object();
    for (const auto& [name, member] : value.items()) out[masker.mask(name)] = mask_json(masker, member);
    return out;
  }
  return value;
}

}  // namespace slipway
