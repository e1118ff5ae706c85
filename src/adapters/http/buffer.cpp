#include "adapters/http/buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"

namespace hanse::http {

BufferPool::BufferPool(BufferPoolOptions options) : options_(options) {}

BufferPool::~BufferPool() {
  for (auto& blocks : kept_) {
    for (char* block : blocks) ::operator delete(block);
  }
}

std::size_t BufferPool::block_size(std::size_t bytes) {
  const auto round_up = [&](std::size_t step) { return (bytes + step - 1) / step * step; };
  if (bytes <= kFineMax) return std::max(round_up(kFineStep), kFineStep);
  // Pages beyond, so that a body of 9 MiB does not cost 16.
  return bytes <= kKeptMax ? std::bit_ceil(bytes) : round_up(kPage);
}

std::size_t BufferPool::class_of(std::size_t capacity) {
  if (capacity <= kFineMax) return capacity / kFineStep - 1;
  return kFineMax / kFineStep +
         static_cast<std::size_t>(std::bit_width(capacity) - std::bit_width(kFineMax)) - 1;
}

char* BufferPool::take(std::size_t bytes, std::size_t& capacity) {
  capacity = block_size(bytes);
  if (capacity > options_.in_use_max - std::min(in_use_, options_.in_use_max)) return nullptr;
  in_use_ += capacity;
  if (capacity <= kKeptMax) {
    auto& blocks = kept_[class_of(capacity)];
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
  if (capacity <= kKeptMax && spare_ + capacity <= options_.spare_max) {
    kept_[class_of(capacity)].push_back(block);
    spare_ += capacity;
    return;
  }
  ::operator delete(block);
}

bool Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return true;
  if (end_ + bytes.size() > capacity_ && !reserve(size() + bytes.size())) return false;
  std::memcpy(block_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
  return true;
}

bool Buffer::reserve(std::size_t bytes) {
  HANSE_CHECK(pool_ != nullptr);
  if (bytes <= capacity_) {
    if (begin_ + bytes > capacity_ && begin_ > 0) {
      std::memmove(block_, block_ + begin_, size());
      end_ = size();
      begin_ = 0;
    }
    return true;
  }
  std::size_t capacity = 0;
  // Half as much again, so that appending stays linear.
  char* block = pool_->take(std::max(bytes, capacity_ + capacity_ / 2), capacity);
  if (block == nullptr) block = pool_->take(bytes, capacity);
  if (block == nullptr) return false;
  const std::size_t kept = size();
  if (kept > 0) std::memcpy(block, data(), kept);
  release();
  block_ = block;
  capacity_ = capacity;
  end_ = kept;
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
