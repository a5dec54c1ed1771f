// Private networks with the real CNI plugins, bridges and namespaces of this machine.
#include "oci/network.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "oci/cni.h"
#include "oci/subnet.h"
#include "support/slipway.h"
#include "sys/files.h"
#include "sys/process.h"

using namespace slipway;
using namespace slipway::oci;
using namespace slipway::test;

namespace {

bool ready() {
  return have_root() && have("ip") && have("iptables");
}

std::string in_namespace(const Attachment& attachment, std::vector<std::string> args) {
  Command command;
  command.argv = {"ip", "netns", "exec", attachment.netns.filename().string()};
  command.argv.insert(command.argv.end(), args.begin(), args.end());
  WaitOptions options;
  options.timeout = Millis(10'000);
  return run_capture(command, options);
}

std::string nat_rules() {
  Command command;
  command.argv = {"iptables", "-w", "-t", "nat", "-S"};
  return run_capture(command);
}

}  // namespace

TEST_CASE("a subnet is one that nothing on the machine uses", "[oci][network]") {
  CHECK(free_subnet({})->str() == "10.83.0.0/23");
  CHECK(free_subnet({*Subnet::parse("10.83.1.7")})->str() == "10.83.2.0/23");
  CHECK(free_subnet({*Subnet::parse("10.83.0.0/22"), *Subnet::parse("192.168.0.0/16")})->str() ==
        "10.83.4.0/23");
  CHECK_FALSE(free_subnet({*Subnet::parse("10.0.0.0/8")}));
  CHECK(Subnet::parse("10.83.2.0/23")->address(257) == "10.83.3.1");
  for (const char* bad : {"", "10.83.0.0/33", "10.83.0.0/", "10.83.0/8", "x", "10.0.0.0/8x"})
    CHECK_FALSE(Subnet::parse(bad).has_value());
}

TEST_CASE("containers of a network have addresses of their own and reach the machine", "[oci][network]") {
  if (!ready()) return;
  const TempDir dir(fs::temp_directory_path(), "slipway-net-");
  auto network = Network::open(dir.path(), "test");
  const auto one = network.attach("one"), two = network.attach("two");
  CHECK(one.address != two.address);
  CHECK(in_namespace(one, {"ip", "-4", "addr", "show", "eth0"}).find(one.address + "/23") !=
        std::string::npos);
  CHECK(in_namespace(one, {"ip", "route"}).find("default via " + network.gateway()) != std::string::npos);
  CHECK(in_namespace(one, {"ip", "addr", "show", "lo"}).find("127.0.0.1") != std::string::npos);
  CHECK(nat_rules().find(network.bridge() + " -j MASQUERADE") != std::string::npos);
  CHECK(network.attached() == std::vector<std::string>{"one", "two"});
  CHECK(network.attach("one").address == one.address);

  SECTION("another process finds it as it was") {
    const auto again = Network::open(dir.path(), "test");
    CHECK(again.bridge() == network.bridge());
    CHECK(again.gateway() == network.gateway());
    const auto orphans = Network::orphans();
    CHECK(std::find(orphans.begin(), orphans.end(), network.bridge()) == orphans.end());
  }
  SECTION("one whose state is gone can still be found and removed") {
    fs::remove(dir.path() / "network.json");
    const auto orphans = Network::orphans();
    CHECK(std::find(orphans.begin(), orphans.end(), network.bridge()) != orphans.end());
    Network::remove_orphan(network.bridge());
    CHECK_FALSE(fs::exists("/sys/class/net/" + network.bridge()));
    CHECK_FALSE(fs::exists(one.netns));
    CHECK(nat_rules().find(network.bridge()) == std::string::npos);
  }
  SECTION("rules whose bridge is gone can still be found and removed") {
    Command command;
    command.argv = {"ip", "link", "del", network.bridge()};
    run_capture(command);
    const auto orphans = Network::orphans();
    CHECK(std::find(orphans.begin(), orphans.end(), network.bridge()) != orphans.end());
    Network::remove_orphan(network.bridge());
    CHECK(nat_rules().find(network.bridge()) == std::string::npos);
  }
  SECTION("two networks do not overlap") {
    const TempDir other_dir(fs::temp_directory_path(), "slipway-net-");
    auto other = Network::open(other_dir.path(), "test");
    CHECK(other.gateway() != network.gateway());
    CHECK(other.bridge() != network.bridge());
    other.remove();
  }
  SECTION("detaching twice is fine, and the address is free again") {
    network.detach("two");
    network.detach("two");
    CHECK_FALSE(fs::exists(two.netns));
    CHECK(network.attach("three").address != one.address);
  }
  SECTION("a virtual address belongs to its key") {
    const auto users = network.virtual_address("users");
    CHECK(is_own_address(users));
    CHECK(network.virtual_address("users") == users);
    CHECK(network.virtual_address("orders") != users);
    CHECK(network.attach("three").address != users);
    network.remove_virtual_address("users");
    network.remove_virtual_address("users");
    CHECK_FALSE(is_own_address(users));
  }
  SECTION("a bridge that somebody removed comes back with its addresses") {
    const auto users = network.virtual_address("users");
    Command command;
    command.argv = {"ip", "link", "del", network.bridge()};
    run_capture(command);
    const auto gateway = network.gateway();
    network = Network::open(dir.path(), "test");
    // Another network of this machine may have taken the subnet in between.
    if (network.gateway() == gateway) CHECK(network.virtual_address("users") == users);
    CHECK(is_own_address(network.virtual_address("users")));
    network.attach("one");
  }
  network.remove();
  CHECK_FALSE(fs::exists("/sys/class/net/" + network.bridge()));
  CHECK_FALSE(fs::exists(one.netns));
  CHECK(nat_rules().find(network.bridge()) == std::string::npos);
  CHECK_FALSE(Network::find(dir.path()));
}

TEST_CASE("a CNI plugin's own words are told", "[oci][network]") {
  if (!ready()) return;
  try {
    run_cni({{"cniVersion", "0.4.0"}, {"name", "lo"}, {"type", "loopback"}},
            {"ADD", "x", "/run/netns/slw-not-there", "lo"});
    FAIL("it must throw");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::unavailable);
    CHECK(e.message().starts_with("the CNI plugin `loopback` cannot attach `x`: "));
    CHECK(e.message().find("/run/netns/slw-not-there") != std::string::npos);
  }
}
