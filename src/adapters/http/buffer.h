// src/adapters/http/buffer.h
// Bytes that must be kept: heads, request bodies, what a socket refused.
//
// A gateway with thousands of open streams may keep little per stream and
// must know how much it keeps in all. A BufferPool is the one budget of a
// shard: every kept byte is taken from it, and past its limit it says no. It
// also keeps freed blocks by size, so that steady traffic allocates nothing.
//
// One thread: a pool and its buffers belong to one loop.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hanse::http {

struct BufferPoolOptions {
  // Bytes that all buffers together may hold.
  std::size_t in_use_max = std::size_t{256} << 20U;
  // Freed blocks kept for reuse: enough for steady traffic. A burst of streams
  // needs many once, and must not keep them from other uses afterwards.
  std::size_t spare_max = std::size_t{512} << 10U;
};

class BufferPool {
 public:
  explicit BufferPool(BufferPoolOptions options = {});
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  [[nodiscard]] std::size_t in_use() const { return in_use_; }
  [[nodiscard]] std::size_t in_use_max() const { return options_.in_use_max; }
  [[nodiscard]] std::size_t spare() const { return spare_; }

 private:
  friend class Buffer;

  // Blocks of up to 1 KiB, of which a stream keeps one for minutes, come in
  // steps of 128 bytes; larger ones are powers of two, kept up to 64 KiB; the
  // largest are whole pages and are not kept.
  static constexpr std::size_t kFineStep = 128;
  static constexpr std::size_t kFineMax = 1024;
  static constexpr std::size_t kKeptMax = std::size_t{64} << 10U;
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kClasses =
      kFineMax / kFineStep + (std::bit_width(kKeptMax) - std::bit_width(kFineMax));

  static std::size_t block_size(std::size_t bytes);
  // Requires: `capacity` is the size of a block that is kept.
  static std::size_t class_of(std::size_t capacity);

  // A block of at least `bytes`, or null past the budget; `capacity` is its
  // real size.
  char* take(std::size_t bytes, std::size_t& capacity);
  void give(char* block, std::size_t capacity);

  BufferPoolOptions options_;
  std::size_t in_use_ = 0;
  std::size_t spare_ = 0;
  std::array<std::vector<char*>, kClasses> kept_;
};

// A growing run of bytes out of a pool; empty buffers hold no memory. The
// pool must outlive its buffers.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(BufferPool& pool) : pool_(&pool) {}
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      release();
      swap(other);
    }
    return *this;
  }

  // False, and nothing changes, when the pool's budget is spent.
  [[nodiscard]] bool append(std::string_view bytes);
  // Makes room for `bytes` in all. False, and nothing changes, past the budget.
  [[nodiscard]] bool reserve(std::size_t bytes);
  // Drops the first `count` bytes; an emptied buffer gives its memory back.
  // Requires: count <= size().
  void consume(std::size_t count);
  // Forgets the bytes and keeps the memory.
  void clear() { begin_ = end_ = 0; }
  // Forgets the bytes and gives the memory back.
  void release();

  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] const char* data() const { return block_ + begin_; }
  [[nodiscard]] char* data() { return block_ + begin_; }
  [[nodiscard]] std::string_view view() const {
    return empty() ? std::string_view() : std::string_view(data(), size());
  }

 private:
  void swap(Buffer& other) noexcept;

  BufferPool* pool_ = nullptr;
  char* block_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace hanse::http
