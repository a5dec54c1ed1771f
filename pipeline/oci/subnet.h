// IPv4 ranges: which are in use on this machine, and a free one for a new bridge.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::oci {

// A range of IPv4 addresses; host byte order.
struct Subnet {
  std::uint32_t base = 0;
  int bits = 32;                                              // prefix length
  static std::optional<Subnet> parse(std::string_view text);  // "10.83.0.0/23"; without "/": one address
  bool overlaps(const Subnet& other) const;
  std::string address(std::uint32_t n) const;  // the n-th, "10.83.0.1"
  std::string str() const;                     // "10.83.0.0/23"
  bool operator==(const Subnet&) const = default;
};

// The ranges of this machine's interfaces and routes (the default route aside), as seen from our network
// namespace.
std::vector<Subnet> used_subnets();

// The first of the /23 ranges of 10.83.0.0/16 that overlaps none of `used`; nullopt when all are taken.
std::optional<Subnet> free_subnet(const std::vector<Subnet>& used);

// True when an interface of this machine has the address.
bool is_own_address(const std::string& address);

}  // namespace slipway::oci
