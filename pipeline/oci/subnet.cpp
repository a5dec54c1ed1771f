#include "oci/subnet.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <bit>
#include <charconv>

#include "base/error.h"
#include "sys/files.h"

namespace slipway::oci {

namespace {

std::uint32_t mask_of(int bits) {
  return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
}

struct Addresses {
  ifaddrs* first = nullptr;
  Addresses() {
    if (::getifaddrs(&first) != 0) throw_errno("list the network interfaces", errno);
  }
  ~Addresses() { ::freeifaddrs(first); }
  Addresses(const Addresses&) = delete;
};

std::uint32_t value_of(const sockaddr* address) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
}

}  // namespace

std::optional<Subnet> Subnet::parse(std::string_view text) {
  Subnet out;
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.bits);
    if (error != std::errc() || end != digits.data() + digits.size() || out.bits < 0 || out.bits > 32)
      return std::nullopt;
  }
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address) != 1) return std::nullopt;
  out.base = ntohl(address.s_addr) & mask_of(out.bits);
  return out;
}

bool Subnet::overlaps(const Subnet& other) const {
  const auto mask = mask_of(std::min(bits, other.bits));
  return (base & mask) == (other.base & mask);
}

std::string Subnet::address(std::uint32_t n) const {
  const auto a = base + n;
  return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

std::string Subnet::str() const {
  return fmt::format("{}/{}", address(0), bits);
}

std::vector<Subnet> used_subnets() {
  std::vector<Subnet> out;
  const Addresses addresses;
  for (auto* i = addresses.first; i; i = i->ifa_next) {
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !i->ifa_netmask) continue;
    const auto mask = value_of(i->ifa_netmask);
    out.push_back({value_of(i->ifa_addr) & mask, std::popcount(mask)});
  }
  // proc(5): interface, destination and mask as hexadecimal numbers in network byte order.
  const auto text = read_file_if_exists("/proc/net/route").value_or("");
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    char name[64];
    unsigned destination = 0, gateway = 0, flags = 0, mask = 0;
    if (std::sscanf(text.substr(from, end - from).c_str(), "%63s %x %x %x %*d %*d %*d %x", name, &destination,
                    &gateway, &flags, &mask) == 5 &&
        mask != 0)
      out.push_back({ntohl(destination), std::popcount(mask)});
    from = end + 1;
  }
  return out;
}

std::optional<Subnet> free_subnet(const std::vector<Subnet>& used) {
  for (std::uint32_t n = 0; n < 128; ++n) {
    const Subnet candidate{(10u << 24 | 83u << 16) + n * 512, 23};
    const bool taken =
        std::any_of(used.begin(), used.end(), [&](const Subnet& other) { return candidate.overlaps(other); });
    if (!taken) return candidate;
  }
  return std::nullopt;
}

bool is_own_address(const std::string& address) {
  const auto wanted = Subnet::parse(address);
  if (!wanted) return false;
  const Addresses addresses;
  for (auto* i = addresses.first; i; i = i->ifa_next)
    if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && value_of(i->ifa_addr) == wanted->base)
      return true;
  return false;
}

}  // namespace slipway::oci
