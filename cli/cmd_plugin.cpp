// slipway plugin: list, new, serve, test
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/templates.h"
#include "plugin/conformance.h"
#include "plugin/external.h"
#include "plugin/serve.h"
#include "plugin/wire.h"

namespace slipway::cli {

namespace {

void list(const Session& session) {
  json all = json::array();
  for (const auto& name : session.plugins->names()) {
    const auto& info = session.plugins->get(name, ".").info();
    if (session.output == "json") {
      all.push_back(wire::to_json(info));
      continue;
    }
    fmt::print("{:<12} {:<4} {}\n", info.name, info.version, info.summary);
    for (const auto& action : info.actions) {
      std::string can;
      if (action.cacheable) can += ", cached";
      if (action.can_preview) can += ", preview";
      if (action.can_undo) can += ", undo";
      fmt::print("  {:<14}   {}{}\n", action.name, action.summary,
                 can.empty() ? "" : " (" + can.substr(2) + ")");
    }
  }
  if (session.output == "json") fmt::print("{}\n", all.dump(2));
}

std::string_view sdk_file(std::string_view path) {
  for (const auto& file : sdk_files())
    if (file.path == path) return file.content;
  throw Error(ExitCode::internal, fmt::format("the SDK holds no `{}`", path));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// The example of that language, under another name.
std::string example(std::string_view path, const std::string& name) {
  std::string text(sdk_file(path));
  // The example finds the SDK in its repository; a plugin of one's own has it beside it.
  const std::string in_repository = "sys.path.insert(";
  if (const auto at = text.find(in_repository); at != std::string::npos)
    text.erase(at, text.find('\n', at) + 1 - at);
  text = replaced(std::move(text), "import os\nimport sys\n\n", "");
  for (const auto* form : {"\"hello\"", "-o hello hello.cpp"})
    text = replaced(std::move(text), form, replaced(form, "hello", name));
  return text;
}

void scaffold(const Session& session, const std::string& name, const std::string& language) {
  const bool good = !name.empty() && name.size() <= 63 && std::islower(static_cast<unsigned char>(name[0])) &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::islower(c) || std::isdigit(c) || c == '-' || c == '_';
                    });
  if (!good)
    throw Error(ExitCode::usage, fmt::format("`{}` is no name for a plugin", name))
        .hint("a letter, then letters, digits, - and _, all lower case");
  const fs::path folder = name;
  if (fs::exists(folder)) throw Error(ExitCode::usage, fmt::format("`{}` is there already", name));
  std::vector<std::string> wrote;
  const auto write = [&](const std::string& file, std::string_view content, mode_t mode) {
    make_dirs(folder);
    write_file_atomic(folder / file, content, mode);
    wrote.push_back(name + "/" + file);
  };
  std::string program = name + "/" + name;
  if (language == "python") {
    program += ".py";
    write(name + ".py", example("examples/hello.py", name), 0755);
    write("slipway_plugin.py", sdk_file("python/slipway_plugin.py"), 0644);
  } else if (language == "bash") {
    program += ".sh";
    write(name + ".sh", example("examples/hello.sh", name), 0755);
  } else {
    write(name + ".cpp", example("examples/hello.cpp", name), 0644);
  }
  if (session.output == "json") {
    fmt::print("{}\n", json{{"wrote", wrote}, {"program", program}}.dump(2));
    return;
  }
  for (const auto& file : wrote) fmt::print("wrote {}\n", file);
  fmt::print(stderr, "\nnext\n");
  if (language == "cpp") fmt::print(stderr, "  (cd {0} && c++ -std=c++17 -o {0} {0}.cpp)\n", name);
  fmt::print(stderr,
             "  slipway plugin test ./{0}\n"
             "  in the spec:   steps: [{{name: hi, uses: ./{0}, with: {{name: World}}}}]\n",
             program);
}

void test(Session& session, const std::string& target) {
  std::size_t passed = 0, failed = 0, skipped = 0;
  json all = json::array();
  const auto report = [&](const ConformanceCheck& check) {
    static constexpr const char* words[] = {"ok", "FAIL", "skip"};
    using Result = ConformanceCheck::Result;
    ++(check.result == Result::passed ? passed : check.result == Result::failed ? failed : skipped);
    const auto* word = words[static_cast<int>(check.result)];
    if (session.output == "json") {
      all.push_back({{"result", word}, {"check", check.name}, {"why", check.why}});
      return;
    }
    fmt::print("{:<5} {}\n", word, check.name);
    if (!check.why.empty()) fmt::print("      {}\n", replaced(check.why, "\n", "\n      "));
    std::fflush(stdout);
  };

  Command program;
  if (target.find('/') != std::string::npos) {
    program.argv = {fs::absolute(target).string()};
    check_wire(program, report);
    // What is wrong with the handshake has been told above.
    if (failed == 0) check_plugin(*start_external_plugin(target, fs::current_path()), report);
  } else {
    auto& plugin = session.plugins->get(target, ".");
    check_plugin(plugin, report);
    program.argv = {fs::read_symlink("/proc/self/exe").string(), "plugin", "serve", target};
    check_wire(program, report);
    if (failed == 0) {
      ExternalPlugin over_the_wire(program, target);
      check_plugin(over_the_wire, [&](ConformanceCheck check) {
        check.name = "over the wire: " + check.name;
        report(check);
      });
    }
  }
  if (session.output == "json")
    fmt::print("{}\n",
               json{{"plugin", target}, {"passed", passed}, {"failed", failed}, {"checks", all}}.dump(2));
  else
    fmt::print("{} passed, {} failed, {} skipped\n", passed, failed, skipped);
  if (failed) session.exit_code = static_cast<int>(ExitCode::failed);
}

}  // namespace

void add_plugin(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("plugin", "list, write, serve and test plugins");
  command->require_subcommand(1);

  auto* listing = command->add_subcommand("list", "the built-in plugins and their actions");
  listing->callback([&session] { list(session); });

  auto name = std::make_shared<std::string>();
  auto language = std::make_shared<std::string>("python");
  auto* making = command->add_subcommand("new", "write a working plugin to start from, into a folder NAME");
  making->add_option("NAME", *name, "its name")->required();
  making->add_option("--lang", *language, "python, bash or cpp (default: python)")
      ->check(CLI::IsMember({"python", "bash", "cpp"}));
  making->callback([name, language, &session] { scaffold(session, *name, *language); });

  auto* serving = command->add_subcommand("serve", "answer plugin requests on stdin and stdout");
  serving->add_option("NAME", *name, "a built-in plugin")->required();
  serving->callback([name, &session] {
    serve_plugin(session.plugins->get(*name, "."), STDIN_FILENO, STDOUT_FILENO, session.stop);
  });

  auto target = std::make_shared<std::string>();
  auto* testing =
      command->add_subcommand("test", "check that a plugin does what slipway expects; runs its examples");
  testing->add_option("PLUGIN", *target, "./path of a program, or a built-in's name")->required();
  testing->callback([target, &session] { test(session, *target); });
}

}  // namespace slipway::cli
