// Compression in blocks of a fixed size, several at once: the bytes do not depend on the number of cores.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "oci/layer.h"

namespace slipway::oci {

// gzip: one member (RFC 1952) whose deflate blocks end in full flushes. zstd: one frame a block. Memory: a
// few blocks a core. The caller's thread; its helpers are joined by finish() or the destructor.
class Compressor {
 public:
  using Sink = std::function<void(std::string_view)>;  // called on the caller's thread, in order
  Compressor(Compression compression, Sink sink);
  ~Compressor();
  void write(std::string_view bytes);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::oci
