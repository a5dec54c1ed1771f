// The bridge and its addresses are ours; what happens inside a container's namespace is done by the CNI
// plugins. One lock per network guards its state files; one lock of the machine guards the choice of a
// subnet.
#include "oci/network.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "oci/cni.h"
#include "oci/subnet.h"
#include "sys/digest.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::oci {

namespace {

using nlohmann::json;

constexpr const char* kPrefix = "slw";
constexpr const char* kAlias = "slipway:";   // of the bridge; followed by the state folder
constexpr std::uint32_t kVirtualFrom = 256;  // addresses of the upper half are virtual ones

void ip(std::vector<std::string> args) {
  Command command;
  args.insert(args.begin(), "ip");
  command.argv = std::move(args);
  run_capture(command);
}

// The same where "it is gone already" is fine.
bool try_ip(std::vector<std::string> args) {
  Command command;
  args.insert(args.begin(), "ip");
  command.argv = std::move(args);
  return run_process(command, [](Stream, std::string_view) {}).status.ok();
}

bool interface_exists(const std::string& name) {
  std::error_code ec;
  return fs::exists("/sys/class/net/" + name, ec);
}

fs::path netns_path(const std::string& bridge, const std::string& id) {
  return "/run/netns/" + bridge + "-" + id;
}

void require_tools() {
  if (::geteuid() != 0)
    throw Error(ExitCode::unavailable, "container networks need root")
        .hint("run slipway as root (`sudo slipway …`)");
  cni_folder();
  require_program("ip");
  require_program("iptables");
}

json read_state(const fs::path& file) {
  const auto text = read_file_if_exists(file, 1u << 20);
  if (!text) return json::object();
  auto state = json::parse(*text, nullptr, false);
  if (!state.is_object())
    throw Error(ExitCode::unavailable, fmt::format("`{}` is damaged", file.string()))
        .hint("run `slipway down`, or remove the file");
  return state;
}

// Our rules for a bridge. CNI's own masquerade (`ipMasq`) makes a chain per container and leaves it when the
// namespace is gone before the plugin is asked to clean up.
std::vector<std::vector<std::string>> rules_of(const std::string& bridge, const std::string& subnet) {
  return {{"nat", "POSTROUTING", "-s", subnet, "!", "-o", bridge, "-j", "MASQUERADE"},
          // Also where the machine drops what it should forward (Docker sets that).
          {"filter", "FORWARD", "-i", bridge, "-j", "ACCEPT"},
          {"filter", "FORWARD", "-o", bridge, "-j", "ACCEPT"}};
}

// `action`: -C (is it there?), -I, -D.
bool iptables(const char* action, const std::vector<std::string>& rule, bool must) {
  Command command;
  command.argv = {"iptables", "-w", "-t", rule[0], action};
  command.argv.insert(command.argv.end(), rule.begin() + 1, rule.end());
  if (must) return run_capture(command), true;
  return run_process(command, [](Stream, std::string_view) {}).status.ok();
}

void add_rules(const std::string& bridge, const std::string& subnet) {
  for (const auto& rule : rules_of(bridge, subnet))
    if (!iptables("-C", rule, false)) iptables("-I", rule, true);
}

void remove_rules(const std::string& bridge, const std::string& subnet) {
  for (const auto& rule : rules_of(bridge, subnet))
    if (iptables("-C", rule, false)) iptables("-D", rule, true);
}

void turn_on_forwarding() {
  constexpr const char* kFile = "/proc/sys/net/ipv4/ip_forward";
  if (read_file(kFile).starts_with('1')) return;
  const Fd fd(::open(kFile, O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), "1", 1) != 1) throw_errno(fmt::format("turn on `{}`", kFile), errno);
}

void delete_namespace(const fs::path& netns) {
  std::error_code ec;
  if (!fs::exists(netns, ec)) return;
  // A file without a mount on it (after a crash) is no namespace for `ip netns`.
  if (!try_ip({"netns", "delete", netns.filename().string()})) fs::remove(netns, ec);
  if (ec) throw_errno(fmt::format("remove the network namespace `{}`", netns.string()), ec.value());
}

// The namespaces of a bridge whose records are lost.
void delete_namespaces(const std::string& bridge) {
  std::error_code ec;
  std::vector<fs::path> lost;
  for (const auto& entry : fs::directory_iterator("/run/netns", ec))
    if (entry.path().filename().string().starts_with(bridge + "-")) lost.push_back(entry.path());
  for (const auto& netns : lost) delete_namespace(netns);
}

}  // namespace

void Network::load(const json& state) {
  name_ = state.at("name").get<std::string>();
  bridge_ = state.at("bridge").get<std::string>();
  subnet_ = state.at("subnet").get<std::string>();
  gateway_ = state.at("gateway").get<std::string>();
}

std::optional<Network> Network::find(const fs::path& state_dir) {
  const auto state = read_state(fs::absolute(state_dir) / "network.json");
  if (state.empty()) return std::nullopt;
  Network network(fs::absolute(state_dir));
  network.load(state);
  return network;
}

bool Network::up() const {
  return interface_exists(bridge_) && is_own_address(gateway_);
}

Network Network::open(const fs::path& state_dir, const std::string& name) {
  const auto dir = fs::absolute(state_dir);
  if (auto known = find(dir); known && known->up()) return *std::move(known);
  require_tools();
  make_dirs(dir);
  const auto lock = FileLock::wait(dir / "network.lock");
  if (auto known = find(dir); known && known->up()) return *std::move(known);
  Network network(dir);
  network.name_ = name;
  network.bridge_ = kPrefix + Digest::of(dir.string()).hex().substr(0, 12);
  make_dirs("/run/slipway");
  const auto choosing = FileLock::wait("/run/slipway/networks.lock");
  const auto used = used_subnets();
  const auto before = find(dir);
  if (before) remove_rules(before->bridge_, before->subnet_);
  auto subnet = before ? Subnet::parse(before->subnet_) : std::nullopt;
  if (subnet &&
      std::any_of(used.begin(), used.end(), [&](const Subnet& other) { return other.overlaps(*subnet); }))
    subnet.reset();
  if (!subnet) subnet = free_subnet(used);
  if (!subnet)
    throw Error(ExitCode::unavailable, "no subnet of 10.83.0.0/16 is free on this machine")
        .hint("`slipway doctor` clears networks that nobody uses");
  network.subnet_ = subnet->str();
  network.gateway_ = subnet->address(1);
  json state = {{"name", name},
                {"bridge", network.bridge_},
                {"subnet", network.subnet_},
                {"gateway", network.gateway_},
                {"virtual", json::object()}};
  // The same virtual addresses again after a restart of the machine; leases of before are void then.
  if (before && before->subnet_ == network.subnet_)
    state["virtual"] = read_state(dir / "network.json").at("virtual");
  remove_tree(dir / "leases");
  remove_tree(dir / "attached");
  delete_namespaces(network.bridge_);
  write_file_atomic(dir / "network.json", state.dump());
  network.bring_up();
  for (const auto& [key, address] : state["virtual"].items())
    try_ip({"addr", "add", address.get<std::string>() + "/32", "dev", network.bridge_});
  return network;
}

void Network::bring_up() {
  if (interface_exists(bridge_)) try_ip({"link", "del", bridge_});
  // A bridge without an address of its own takes over its ports' and changes it with them.
  const auto mac = Digest::of(bridge_).hex();
  ip({"link", "add", bridge_, "address",
      fmt::format("02:{}:{}:{}:{}:{}", mac.substr(0, 2), mac.substr(2, 2), mac.substr(4, 2), mac.substr(6, 2),
                  mac.substr(8, 2)),
      "type", "bridge"});
  const auto bits = subnet_.substr(subnet_.find('/'));
  ip({"addr", "add", gateway_ + bits, "dev", bridge_});
  ip({"link", "set", bridge_, "alias", (kAlias + state_dir_.string()).substr(0, 255)});
  ip({"link", "set", bridge_, "up"});
  turn_on_forwarding();
  add_rules(bridge_, subnet_);
}

namespace {

// Bridge → state folder, of those that tell it whole: an alias is cut at 255 bytes.
std::map<std::string, fs::path> bridges() {
  std::map<std::string, fs::path> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/sys/class/net", ec)) {
    const auto bridge = entry.path().filename().string();
    if (!bridge.starts_with(kPrefix)) continue;
    auto alias = read_file_if_exists(entry.path() / "ifalias").value_or("");
    while (alias.ends_with('\n')) alias.pop_back();
    if (alias.starts_with(kAlias) && alias.size() < 255)
      out[bridge] = alias.substr(std::string_view(kAlias).size());
  }
  return out;
}

// The bridges that rules name. Rules come after their bridge and go before it.
std::set<std::string> bridges_in_rules() {
  std::set<std::string> out;
  if (!find_program("iptables")) return out;
  Command list;
  list.argv = {"iptables", "-w", "-t", "nat", "-S", "POSTROUTING"};
  const auto rules = run_capture(list);
  const std::string word = std::string(" ") + kPrefix;
  for (auto at = rules.find(word); at != std::string::npos; at = rules.find(word, at + 1))
    out.insert(rules.substr(at + 1, rules.find_first_of(" \n", at + 1) - at - 1));
  return out;
}

}  // namespace

std::vector<fs::path> Network::all() {
  std::vector<fs::path> out;
  for (const auto& [_, state_dir] : bridges()) out.push_back(state_dir);
  return out;
}

std::vector<std::string> Network::orphans() {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& [bridge, state_dir] : bridges())
    if (!fs::exists(state_dir / "network.json", ec)) out.push_back(bridge);
  for (const auto& bridge : bridges_in_rules())
    if (!interface_exists(bridge)) out.push_back(bridge);
  return out;
}

void Network::remove_orphan(const std::string& bridge) {
  delete_namespaces(bridge);
  // The rules name the bridge; its subnet stands in them only.
  for (const auto* table : {"nat", "filter"}) {
    Command list;
    list.argv = {"iptables", "-w", "-t", table, "-S"};
    const auto rules = run_capture(list);
    for (std::size_t from = 0; from < rules.size();) {
      const auto end = std::min(rules.find('\n', from), rules.size());
      std::vector<std::string> words = {table};
      for (std::size_t at = from; at < end;) {
        const auto space = std::min(rules.find(' ', at), end);
        words.push_back(rules.substr(at, space - at));
        at = space + 1;
      }
      from = end + 1;
      if (words.size() < 3 || words[1] != "-A" ||
          std::find(words.begin(), words.end(), bridge) == words.end())
        continue;
      words.erase(words.begin() + 1);
      iptables("-D", words, true);
    }
  }
  if (interface_exists(bridge)) ip({"link", "del", bridge});
}

json Network::config() const {
  const auto subnet = *Subnet::parse(subnet_);
  return {{"cniVersion", "0.4.0"},
          {"name", bridge_},
          {"type", "bridge"},
          {"bridge", bridge_},
          {"isGateway", false},  // we gave it its address; the plugin refuses a bridge with further ones
          {"hairpinMode", true},
          {"ipam",
           {{"type", "host-local"},
            {"dataDir", (state_dir_ / "leases").string()},
            {"ranges",
             {{{{"subnet", subnet_},
                {"rangeStart", subnet.address(2)},
                {"rangeEnd", subnet.address(kVirtualFrom - 2)},
                {"gateway", gateway_}}}}},
            {"routes", {{{"dst", "0.0.0.0/0"}}}}}}};
}

Attachment Network::attach(const std::string& id) {
  if (!is_safe_name(id)) throw Error(ExitCode::internal, fmt::format("`{}` is no container id", id));
  const auto record = state_dir_ / "attached" / id;
  const auto netns = netns_path(bridge_, id);
  std::error_code ec;
  if (const auto known = read_file_if_exists(record); known && !known->empty() && fs::exists(netns, ec))
    return {id, netns, *known};
  detach(id);
  make_dirs(record.parent_path());
  write_file_atomic(record, "");  // so that a later command finds what a kill leaves half done
  try {
    ip({"netns", "add", netns.filename().string()});
    run_cni({{"cniVersion", "0.4.0"}, {"name", "lo"}, {"type", "loopback"}}, {"ADD", id, netns, "lo"});
    const auto answer = run_cni(config(), {"ADD", id, netns});
    std::string address = answer.at("ips").at(0).at("address").get<std::string>();
    address.resize(std::min(address.find('/'), address.size()));
    write_file_atomic(record, address);
    return {id, netns, address};
  } catch (Error& e) {
    e.trail(fmt::format("while attaching `{}` to the network `{}`", id, name_));
    detach(id);
    throw;
  }
}

void Network::detach(const std::string& id) {
  std::error_code ec;
  const auto record = state_dir_ / "attached" / id;
  if (!fs::exists(record, ec)) return;
  const auto netns = netns_path(bridge_, id);
  const auto there = fs::exists(netns, ec);
  run_cni(config(), {"DEL", id, there ? netns : fs::path()});
  delete_namespace(netns);
  fs::remove(record, ec);
  if (ec) throw_errno(fmt::format("remove `{}`", record.string()), ec.value());
}

std::vector<std::string> Network::attached() const {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(state_dir_ / "attached", ec))
    if (!entry.path().filename().string().starts_with(".")) out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

void Network::remove() {
  for (const auto& id : attached()) detach(id);
  const auto lock = FileLock::wait(state_dir_ / "network.lock");
  std::error_code ec;
  delete_namespaces(bridge_);
  // Another process may have made the network anew meanwhile, in another subnet.
  const auto now = find(state_dir_);
  remove_rules(bridge_, now ? now->subnet_ : subnet_);
  if (interface_exists(bridge_)) ip({"link", "del", bridge_});
  for (const char* name : {"attached", "leases"}) remove_tree(state_dir_ / name);
  fs::remove(state_dir_ / "network.json", ec);
}

std::string Network::virtual_address(const std::string& key) {
  const auto lock = FileLock::wait(state_dir_ / "network.lock");
  auto state = read_state(state_dir_ / "network.json");
  auto& given = state["virtual"];
  if (!given.contains(key)) {
    const auto subnet = *Subnet::parse(subnet_);
    std::set<std::string> taken;
    for (const auto& [_, address] : given.items()) taken.insert(address.get<std::string>());
    std::uint32_t n = kVirtualFrom;
    while (n < 511 && taken.contains(subnet.address(n))) ++n;
    if (n == 511)
      throw Error(ExitCode::unavailable,
                  fmt::format("the network `{}` has no address left for `{}`", name_, key));
    given[key] = subnet.address(n);
    write_file_atomic(state_dir_ / "network.json", state.dump());
  }
  const auto address = given[key].get<std::string>();
  if (!is_own_address(address)) ip({"addr", "add", address + "/32", "dev", bridge_});
  return address;
}

void Network::remove_virtual_address(const std::string& key) {
  const auto lock = FileLock::wait(state_dir_ / "network.lock");
  auto state = read_state(state_dir_ / "network.json");
  if (!state.contains("virtual") || !state["virtual"].contains(key)) return;
  const auto address = state["virtual"][key].get<std::string>();
  if (is_own_address(address)) ip({"addr", "del", address + "/32", "dev", bridge_});
  state["virtual"].erase(key);
  write_file_atomic(state_dir_ / "network.json", state.dump());
}

}  // namespace slipway::oci
