#include "adapters/http/buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"

namespace hanse::http {

namespace {

// Larger blocks come in pages, so that a body of 9 MiB does not cost 16.
constexpr std::size_t kPage = 4096;

}  // namespace

BufferPool::BufferPool(BufferPoolOptions options) : options_(options) {}

BufferPool::~BufferPool() {
  for (auto& blocks : kept_) {
    for (char* block : blocks) ::operator delete(block);
  }
}

char* BufferPool::take(std::size_t bytes, std::size_t& capacity) {
  const std::size_t smallest = std::size_t{1} << kSmallestShift;
  const std::size_t largest_kept = std::size_t{1} << kLargestKeptShift;
  capacity = bytes <= largest_kept ? std::bit_ceil(std::max(bytes, smallest))
                                   : (bytes + kPage - 1) / kPage * kPage;
  if (capacity > options_.in_use_max - std::min(in_use_, options_.in_use_max)) return nullptr;
  in_use_ += capacity;
  if (capacity <= largest_kept) {
    auto& blocks = kept_[static_cast<std::size_t>(std::countr_zero(capacity))];
    if (!blocks.empty()) {
      char* block = blocks.back();
      blocks.pop_back();
      spare_ -= capacity;
      return block;
    }
  }
  return static_cast<char*>(::operator new(capacity));
}

void BufferPool::give(char* block, std::size_t capacity) {
  HANSE_CHECK(capacity <= in_use_);
  in_use_ -= capacity;
  const std::size_t largest_kept = std::size_t{1} << kLargestKeptShift;
  if (capacity <= largest_kept && spare_ + capacity <= options_.spare_max) {
    kept_[static_cast<std::size_t>(std::countr_zero(capacity))].push_back(block);
    spare_ += capacity;
    return;
  }
  ::operator delete(block);
}

bool Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return true;
  if (end_ + bytes.size() + kPadding > capacity_ && !reserve(size() + bytes.size())) return false;
  std::memcpy(block_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
  return true;
}

bool Buffer::reserve(std::size_t bytes) {
  HANSE_CHECK(pool_ != nullptr);
  const std::size_t needed = bytes + kPadding;
  if (needed <= capacity_) {
    if (begin_ + needed > capacity_ && begin_ > 0) {
      std::memmove(block_, block_ + begin_, size());
      end_ = size();
      begin_ = 0;
    }
    return true;
  }
  std::size_t capacity = 0;
  // Half as much again, so that appending stays linear.
  char* block = pool_->take(std::max(needed, capacity_ + capacity_ / 2), capacity);
  if (block == nullptr) block = pool_->take(needed, capacity);
  if (block == nullptr) return false;
  const std::size_t kept = size();
  if (kept > 0) std::memcpy(block, data(), kept);
  release();
  block_ = block;
  capacity_ = capacity;
  end_ = kept;
  // What lies behind the end may be read (by simdjson), so it has a value.
  std::memset(block_ + end_, 0, kPadding);
  return true;
}

void Buffer::consume(std::size_t count) {
  HANSE_CHECK(count <= size());
  begin_ += count;
  if (empty()) release();
}

void Buffer::release() {
  if (block_ != nullptr) pool_->give(std::exchange(block_, nullptr), capacity_);
  capacity_ = begin_ = end_ = 0;
}

void Buffer::swap(Buffer& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(block_, other.block_);
  std::swap(capacity_, other.capacity_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
}

}  // namespace hanse::http
