#include "oci/compressor.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace slipway::oci {

namespace {

constexpr std::size_t kBlock = 1u << 20;  // bytes; part of the format: another size gives other digests
constexpr int kZstdLevel = 3;

std::string deflate_block(const std::string& in) {
  isal_zstream stream;
  isal_deflate_init(&stream);
  std::vector<std::uint8_t> level_buffer(ISAL_DEF_LVL1_DEFAULT);
  stream.level = 1;
  stream.level_buf = level_buffer.data();
  stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
  stream.gzip_flag = IGZIP_DEFLATE;
  stream.flush = FULL_FLUSH;
  stream.end_of_stream = 0;
  stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<std::uint32_t>(in.size());
  std::string out(in.size() + in.size() / 8 + 4096, '\0');
  stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  stream.avail_out = static_cast<std::uint32_t>(out.size());
  // A block that does not fit stays in the stream: more room, once more.
  for (;;) {
    if (isal_deflate(&stream) != COMP_OK) throw Error(ExitCode::internal, "compressing a layer failed");
    if (stream.avail_in == 0 && stream.avail_out > 0) break;
    const auto used = out.size() - stream.avail_out;
    out.resize(out.size() * 2);
    stream.next_out = reinterpret_cast<std::uint8_t*>(out.data()) + used;
    stream.avail_out = static_cast<std::uint32_t>(out.size() - used);
  }
  out.resize(out.size() - stream.avail_out);
  return out;
}

std::string zstd_block(const std::string& in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  const auto size = ZSTD_compress(out.data(), out.size(), in.data(), in.size(), kZstdLevel);
  if (ZSTD_isError(size))
    throw Error(ExitCode::internal, fmt::format("compressing a layer failed: {}", ZSTD_getErrorName(size)));
  out.resize(size);
  return out;
}

struct Block {
  std::string in, out;
  bool done = false;           // guarded by the mutex of the pool
  std::exception_ptr problem;  // likewise
};

}  // namespace

struct Compressor::Impl {
  Impl(Compression how, Sink to) : compression(how), sink(std::move(to)) {
    if (compression == Compression::gzip) {
      // RFC 1952: magic, deflate, no flags, no time, fastest, unknown system.
      sink(std::string_view("\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff", 10));
    }
  }
  ~Impl() { stop(); }

  void stop() {
    {
      std::lock_guard lock(mutex);
      ending = true;
    }
    work.notify_all();
    threads.clear();  // joins
  }

  std::string compressed(const std::string& in) const {
    return compression == Compression::zstd ? zstd_block(in) : deflate_block(in);
  }

  void write(std::string_view bytes) {
    if (compression == Compression::none) return sink(bytes);
    while (!bytes.empty()) {
      const auto part = bytes.substr(0, kBlock - current.size());
      current += part;
      bytes.remove_prefix(part.size());
      if (current.size() == kBlock) submit();
    }
  }

  // Hands the current block to the helpers; waits when they are far behind.
  void submit() {
    if (compression == Compression::gzip) {
      crc = crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(current.data()), current.size());
      total += current.size();
    }
    if (threads.empty()) {
      cores = std::max(1u, std::thread::hardware_concurrency());
      for (unsigned i = 0; i < cores; ++i) threads.emplace_back([this] { help(); });
    }
    auto block = std::make_shared<Block>();
    block->in = std::exchange(current, {});
    current.reserve(kBlock);
    {
      std::lock_guard lock(mutex);
      waiting.push_back(block);
    }
    work.notify_one();
    order.push_back(std::move(block));
    while (order.size() > 2 * cores || (!order.empty() && is_done(*order.front()))) drain_one();
  }

  bool is_done(const Block& block) {
    std::lock_guard lock(mutex);
    return block.done;
  }

  void drain_one() {
    const auto block = std::move(order.front());
    order.pop_front();
    {
      std::unique_lock lock(mutex);
      finished.wait(lock, [&] { return block->done; });
      if (block->problem) std::rethrow_exception(block->problem);
    }
    sink(block->out);
  }

  void help() {
    for (;;) {
      std::shared_ptr<Block> block;
      {
        std::unique_lock lock(mutex);
        work.wait(lock, [&] { return ending || !waiting.empty(); });
        if (waiting.empty()) return;
        block = std::move(waiting.front());
        waiting.pop_front();
      }
      std::exception_ptr problem;
      try {
        block->out = compressed(block->in);
      } catch (...) {
        problem = std::current_exception();
      }
      {
        std::lock_guard lock(mutex);
        block->in = {};
        block->problem = problem;
        block->done = true;
      }
      finished.notify_all();
    }
  }

  void finish() {
    if (compression == Compression::none) return;
    if (threads.empty()) {  // a small layer needs no helpers
      if (compression == Compression::gzip) {
        crc = crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(current.data()), current.size());
        total += current.size();
      }
      if (!current.empty()) sink(compressed(current));
    } else {
      if (!current.empty()) submit();
      while (!order.empty()) drain_one();
      stop();
    }
    if (compression == Compression::gzip) {
      std::string tail("\x03\x00", 2);  // the last, empty deflate block
      for (int shift = 0; shift < 32; shift += 8) tail += static_cast<char>(crc >> shift & 0xff);
      for (int shift = 0; shift < 32; shift += 8) tail += static_cast<char>(total >> shift & 0xff);
      sink(tail);
    }
  }

  Compression compression;
  Sink sink;
  std::string current;
  std::uint32_t crc = 0;
  std::uint64_t total = 0;
  unsigned cores = 1;
  std::deque<std::shared_ptr<Block>> order;  // the caller's thread only

  std::mutex mutex;
  std::condition_variable work, finished;
  std::deque<std::shared_ptr<Block>> waiting;  // guarded by mutex
  bool ending = false;                         // guarded by mutex
  std::vector<std::jthread> threads;
};

Compressor::Compressor(Compression compression, Sink sink)
    : impl_(std::make_unique<Impl>(compression, std::move(sink))) {}
Compressor::~Compressor() = default;

void Compressor::write(std::string_view bytes) {
  impl_->write(bytes);
}

void Compressor::finish() {
  impl_->finish();
}

}  // namespace slipway::oci
