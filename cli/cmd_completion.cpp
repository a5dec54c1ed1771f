// slipway completion: scripts that complete commands and flags, made from the commands themselves.
#include "cli/command.h"

namespace slipway::cli {

namespace {

struct Word {
  std::string text, about;
};

// One command: "plugin new", what may follow it, and its flags.
struct Node {
  std::string path;
  std::vector<Word> commands, flags;
};

std::vector<Word> flags_of(const CLI::App& app) {
  std::vector<Word> out;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_snames()) out.push_back({"-" + name, option->get_description()});
    for (const auto& name : option->get_lnames()) out.push_back({"--" + name, option->get_description()});
  }
  return out;
}

void collect(const CLI::App& app, const std::string& path, const std::vector<Word>& global,
             std::vector<Node>& out) {
  Node node{path, {}, flags_of(app)};
  if (!path.empty()) node.flags.insert(node.flags.end(), global.begin(), global.end());
  const auto all = app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
  for (const auto* sub : all) node.commands.push_back({sub->get_name(), sub->get_description()});
  out.push_back(std::move(node));
  for (const auto* sub : all)
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), global, out);
}

std::string words_of(const std::vector<Word>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word.text;
  return out;
}

// Inside single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

// Walks the words before the cursor to the command they name; what is no command of it is an argument.
void print_bash(const std::vector<Node>& nodes) {
  fmt::print(
      "# bash completion of slipway: source <(slipway completion bash)\n"
      "_slipway() {{\n"
      "  local path='' word i current=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${{COMP_WORDS[i]}}\n"
      "    case \"$path/$word\" in\n");
  for (const auto& node : nodes)
    for (const auto& sub : node.commands)
      fmt::print("      '{}/{}') path='{}' ;;\n", node.path, sub.text,
                 node.path.empty() ? sub.text : node.path + " " + sub.text);
  fmt::print(
      "    esac\n"
      "  done\n"
      "  local commands='' flags=''\n"
      "  case $path in\n");
  for (const auto& node : nodes)
    fmt::print("    '{}') commands='{}' flags='{}' ;;\n", node.path, words_of(node.commands),
               words_of(node.flags));
  fmt::print(
      "  esac\n"
      "  if [[ $current == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
      "  elif [[ -n $commands ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$commands\" -- \"$current\"))\n"
      "  else\n"
      "    compopt -o default\n"
      "    COMPREPLY=()\n"
      "  fi\n"
      "}}\n"
      "complete -F _slipway slipway\n");
}

void print_zsh(const std::vector<Node>& nodes) {
  fmt::print(
      "#compdef slipway\n"
      "# zsh completion of slipway: source <(slipway completion zsh)\n"
      "_slipway() {{\n"
      "  local place='' i\n"
      "  local -a found flags\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    case \"$place/$words[i]\" in\n");
  for (const auto& node : nodes)
    for (const auto& sub : node.commands)
      fmt::print("      '{}/{}') place='{}' ;;\n", node.path, sub.text,
                 node.path.empty() ? sub.text : node.path + " " + sub.text);
  fmt::print(
      "    esac\n"
      "  done\n"
      "  case $place in\n");
  const auto described = [](const std::vector<Word>& words) {
    std::string out;
    for (const auto& word : words) out += " '" + quoted(word.text + ":" + word.about) + "'";
    return out;
  };
  for (const auto& node : nodes)
    fmt::print("    '{}') found=({} ) flags=({} ) ;;\n", node.path, described(node.commands),
               described(node.flags));
  fmt::print(
      "  esac\n"
      "  if [[ $words[CURRENT] == -* ]]; then\n"
      "    _describe flag flags\n"
      "  elif (( $#found )); then\n"
      "    _describe command found\n"
      "  else\n"
      "    _files\n"
      "  fi\n"
      "}}\n"
      "compdef _slipway slipway\n");
}

void print_fish(const std::vector<Node>& nodes) {
  fmt::print(
      "# fish completion of slipway: slipway completion fish | source\n"
      "function __slipway_at\n"
      "  set -l place ''\n"
      "  set -l words (commandline -opc)\n"
      "  for word in $words[2..-1]\n"
      "    switch \"$place/$word\"\n");
  for (const auto& node : nodes)
    for (const auto& sub : node.commands)
      fmt::print("      case '{}/{}'\n        set place '{}'\n", node.path, sub.text,
                 node.path.empty() ? sub.text : node.path + " " + sub.text);
  fmt::print(
      "    end\n"
      "  end\n"
      "  test \"$place\" = \"$argv[1]\"\n"
      "end\n");
  for (const auto& node : nodes) {
    const auto line = [&](const std::string& what, const Word& word) {
      fmt::print("complete -c slipway -n \"__slipway_at '{}'\" {} -d '{}'\n", node.path, what,
                 quoted(word.about));
    };
    for (const auto& sub : node.commands) line("-f -a " + sub.text, sub);
    for (const auto& flag : node.flags)
      line(flag.text.starts_with("--") ? "-l " + flag.text.substr(2) : "-s " + flag.text.substr(1), flag);
  }
}

}  // namespace

void add_completion(CLI::App& app, Session&) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "print a script that completes commands and flags");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([shell, &app] {
    std::vector<Node> nodes;
    collect(app, "", flags_of(app), nodes);
    if (*shell == "bash") print_bash(nodes);
    if (*shell == "zsh") print_zsh(nodes);
    if (*shell == "fish") print_fish(nodes);
  });
}

}  // namespace slipway::cli
