#include "sys/yaml_reader.h"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

namespace slipway {

namespace {

bool is_core_null(const std::string& text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

// yaml-cpp counts columns in bytes; editors count code points.
class Places {
 public:
  Places(const std::string& text, std::string file) : text_(text), file_(std::move(file)) {
    starts_.push_back(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) starts_.push_back(++at);
  }
  Location at(const YAML::Mark& mark, std::size_t length = 1) const {
    if (mark.is_null()) return {file_, 0, 0, 1};
    Location where{file_, mark.line + 1, mark.column + 1, static_cast<int>(std::max<std::size_t>(1, length))};
    if (mark.line < static_cast<int>(starts_.size())) {
      const auto from = starts_[static_cast<std::size_t>(mark.line)];
      const auto to = std::min(text_.size(), from + static_cast<std::size_t>(mark.column));
      for (auto i = from; i < to; ++i)
        if ((static_cast<unsigned char>(text_[i]) & 0xC0) == 0x80) --where.column;
    }
    return where;
  }

 private:
  const std::string& text_;
  std::string file_;
  std::vector<std::size_t> starts_;
};

// What a document may not be, found while its events come in; ends the parsing.
struct Refused {
  Location where;
  std::string message, hint;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(const Places& places, Diagnostics& diagnostics, const YamlLimits& limits)
      : places_(places), diagnostics_(diagnostics), limits_(limits) {}

  NodePtr root;
  void forget_anchors() { anchors_.clear(); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = std::make_shared<Node>();
    node->where = places_.at(mark);
    finish(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    auto node = std::make_shared<Node>();
    node->plain = tag == "?";
    node->where = places_.at(mark, value.find('\n') == std::string::npos ? value.size() : 1);
    if (!(node->plain && is_core_null(value))) {
      node->kind = Node::Kind::scalar;
      node->text = value;
    }
    finish(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end())
      throw Refused{places_.at(mark), "this alias stands inside of what it stands for",
                    "a list or mapping cannot hold itself"};
    take(it->second, mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::sequence);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::mapping);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key;
    Location key_where;
    std::unordered_map<std::string, Location> keys;
    std::vector<NodePtr> merges;  // values of `<<`
  };

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
    diagnostics_.error(places_.at(mark), fmt::format("the tag `{}` has no meaning here", tag),
                       "quote a value that must be a text");
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    check_tag(mark, tag);
    if (static_cast<int>(stack_.size()) >= limits_.depth)
      throw Refused{places_.at(mark), fmt::format("nested deeper than {} levels", limits_.depth), ""};
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->where = places_.at(mark);
    stack_.push_back({std::move(node), anchor, false, {}, {}, {}, {}});
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    for (const auto& merge : done.merges) merge_in(*done.node, *merge);
    finish(std::move(done.node), done.anchor);
  }

  // The mapping's own keys win, then the earlier of several merges (yaml.org/type/merge).
  void merge_in(Node& into, const Node& from) {
    for (const auto& member : from.members)
      if (!into.find(member.key)) into.members.push_back(member);
  }

  void finish(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    recount(*node);
    if (node->weight > limits_.nodes)
      throw Refused{node->where, fmt::format("the aliases expand to more than {} values", limits_.nodes), ""};
    if (anchor) anchors_[anchor] = node;
    take(node, YAML::Mark::null_mark());
  }

  // A whole value: the root, the next item, the next key or the value of the last key.
  void take(const NodePtr& node, const YAML::Mark& alias) {
    if (stack_.empty()) {
      root = node;
      return;
    }
    Open& top = stack_.back();
    if (top.node->is_sequence()) {
      top.node->items.push_back(node);
    } else if (!top.has_key) {
      if (!node->is_scalar())
        throw Refused{alias.is_null() ? node->where : places_.at(alias),
                      fmt::format("a key must be a text, not {}", node->describe()), ""};
      top.has_key = true;
      top.key = node->text;
      top.key_where = alias.is_null() ? node->where : places_.at(alias);
    } else {
      top.has_key = false;
      add_member(top, node);
    }
  }

  void add_member(Open& top, const NodePtr& value) {
    if (top.key == "<<") {
      const bool list = value->is_sequence();
      for (const auto& one : list ? value->items : std::vector<NodePtr>{value}) {
        if (one->is_mapping())
          top.merges.push_back(one);
        else
          diagnostics_.error(top.key_where, fmt::format("`<<` merges mappings, this is {}", one->describe()));
      }
      return;
    }
    const auto [first, fresh] = top.keys.emplace(top.key, top.key_where);
    if (!fresh) {
      diagnostics_.error(top.key_where, fmt::format("the key `{}` stands here twice", top.key),
                         fmt::format("the first one is at {}", first->second.str()));
      return;
    }
    top.node->members.push_back({top.key, top.key_where, value});
  }

  const Places& places_;
  Diagnostics& diagnostics_;
  const YamlLimits& limits_;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
};

// yaml-cpp's words, made fit for the middle of a message.
std::string complaint(const std::string& message) {
  std::string out = message.empty() ? "this is no YAML" : message;
  out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  return out;
}

}  // namespace

std::vector<NodePtr> read_yaml_stream(const std::string& text, const std::string& file,
                                      Diagnostics& diagnostics, const YamlLimits& limits) {
  std::vector<NodePtr> out;
  if (text.size() > limits.bytes) {
    diagnostics.error({file, 0, 0, 1}, fmt::format("the file is larger than {} MiB", limits.bytes >> 20));
    return out;
  }
  diagnostics.source(file, text);
  if (const auto nul = text.find('\0'); nul != std::string::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    diagnostics.error({file, static_cast<int>(line), 1, 1}, "a NUL byte: this is no text file");
    return out;
  }
  const Places places(text, file);
  Builder builder(places, diagnostics, limits);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    std::size_t nodes = 0;
    while (parser.HandleNextDocument(builder)) {
      builder.forget_anchors();
      if (builder.root && !builder.root->is_null()) {
        nodes += builder.root->weight;
        if (nodes > limits.nodes)
          throw Refused{builder.root->where, fmt::format("more than {} values", limits.nodes), ""};
        out.push_back(builder.root);
      }
      builder.root = nullptr;
    }
  } catch (const Refused& refused) {
    diagnostics.error(refused.where, refused.message, refused.hint);
  } catch (const YAML::Exception& e) {
    diagnostics.error(places.at(e.mark), complaint(e.msg));
  }
  return out;
}

NodePtr read_yaml(const std::string& text, const std::string& file, Diagnostics& diagnostics,
                  const YamlLimits& limits) {
  const auto before = diagnostics.all().size();
  auto documents = read_yaml_stream(text, file, diagnostics, limits);
  if (documents.empty()) {
    if (diagnostics.all().size() == before) diagnostics.error({file, 1, 1, 1}, "the file is empty");
    return nullptr;
  }
  if (documents.size() > 1)
    diagnostics.error(documents[1]->where, "a second document begins here", "one spec a file");
  return documents[0];
}

namespace {

bool reads_as_text(const std::string& text) {
  // Older readers (YAML 1.1) take more words for booleans than the core schema does.
  static const std::set<std::string> words = {"y",   "n",    "yes",   "no",   "on",
                                              "off", "true", "false", "null", "~"};
  std::string lower = text;
  for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (text.empty() || words.contains(lower)) return false;
  return text.find_first_not_of("0123456789.eExXoO_:+-abcdefABCDEF") != std::string::npos ||
         std::isalpha(static_cast<unsigned char>(text[0]));
}

void emit(YAML::Emitter& out, const nlohmann::ordered_json& value) {
  if (value.is_object()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      out << YAML::Key;
      emit(out, key);
      out << YAML::Value;
      emit(out, member);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const auto& item : value) emit(out, item);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.find('\n') != std::string::npos && text.find_first_of("\t\r") == std::string::npos &&
        text[0] != ' ' && text[0] != '\n' && text.back() == '\n' && text[text.size() - 2] != '\n')
      out << YAML::Literal << text;
    else if (reads_as_text(text))
      out << text;
    else
      out << YAML::DoubleQuoted << text;
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

}  // namespace

std::string write_yaml(const nlohmann::ordered_json& value) {
  YAML::Emitter out;
  out.SetIndent(2);
  emit(out, value);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace slipway
