// Where packages come from: the machine's own apt sources, for the suite that is asked for.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::debian {

struct AptSource {
  std::string
      options;  // "signed-by=/usr/share/keyrings/x.gpg", "" or more, as between the brackets of a line
  std::string uri, suite, components;
  std::string line() const;  // "deb [options] uri suite components"
};

// Both formats (sources.list(5)): one line a source, and the stanzas of deb822. What is disabled, or no
// `deb`, is left out; a key within a stanza is written to `keys_dir`.
std::vector<AptSource> read_sources(std::string_view text, bool deb822,
                                    const std::filesystem::path& keys_dir);

// Those of `suite` (with its -updates and -security) in apt_dir, else the machine's first Debian mirror for
// another suite, else `mirror` alone when it is given ("http://host/debian", or whole lines). Throws
// Error(unavailable) when there are none.
std::vector<AptSource> sources_for(const std::string& suite, const std::string& mirror,
                                   const std::filesystem::path& apt_dir,
                                   const std::filesystem::path& keys_dir);

// The suite of this machine (VERSION_CODENAME), or "bookworm".
std::string own_suite();

}  // namespace slipway::debian
