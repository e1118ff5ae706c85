// src/core/ledger/open_requests.h
// What is under way: open requests with their open attempts, by number.
//
// A slab with a free list, found through a hash index with linear probing, so
// that a lookup touches two cache lines and nothing is allocated once the
// slabs have grown to their largest use. Nobody iterates over the index:
// whoever needs all requests gets them in the order of their numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/ledger/entry.h"

namespace hanse::ledger {

struct OpenAttempt {
  AttemptOpened opened;
  WallTime opened_at;
  bool watermarked = false;
  Progress progress;  // {nothing, tokens_max} until the first watermark
  std::uint32_t next = 0;
};

struct OpenRequest {
  HoldOpened hold;
  WallTime opened_at;
  Position opened;
  AttemptNumber last_attempt{};
  std::uint8_t attempts_open = 0;
  Progress progress;
  std::uint32_t first_attempt = 0;  // in order of their opening, newest first
  std::uint32_t next_free = 0;
};

class OpenRequests {
 public:
  OpenRequests(std::size_t requests_max, std::size_t attempts_max);

  // Pointers stay valid until the next insert or erase.
  [[nodiscard]] OpenRequest* find(RequestNumber number);
  [[nodiscard]] const OpenRequest* find(RequestNumber number) const;
  [[nodiscard]] bool requests_full() const { return requests_ == requests_max_; }
  [[nodiscard]] bool attempts_full() const { return attempts_ == attempts_max_; }
  [[nodiscard]] std::size_t requests() const { return requests_; }
  [[nodiscard]] std::size_t attempts() const { return attempts_; }

  // Requires: not full, and `hold.request` is not in the table.
  OpenRequest& insert(const HoldOpened& hold);
  // Requires: none of its attempts is open.
  void erase(OpenRequest& request);

  [[nodiscard]] OpenAttempt* find(OpenRequest& request, AttemptNumber attempt);
  // Requires: not full, and the attempt is not open.
  OpenAttempt& insert(OpenRequest& request, const AttemptOpened& opened);
  // Requires: the attempt is open.
  void erase(OpenRequest& request, AttemptNumber attempt);

  // Cold: the numbers of all requests, and of a request's attempts, rising.
  [[nodiscard]] std::vector<RequestNumber> numbers() const;
  [[nodiscard]] std::vector<AttemptNumber> attempts_of(const OpenRequest& request) const;

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  [[nodiscard]] std::size_t home(RequestNumber number) const;
  // Where `number` stands in the index, or the empty place to put it.
  [[nodiscard]] std::size_t place(RequestNumber number) const;
  void grow_index();
  void remove_from_index(std::size_t hole);

  std::size_t requests_max_;
  std::size_t attempts_max_;
  std::size_t requests_ = 0;
  std::size_t attempts_ = 0;
  std::vector<OpenRequest> request_slab_;
  std::vector<OpenAttempt> attempt_slab_;
  std::uint32_t first_free_request_ = kNone;
  std::uint32_t first_free_attempt_ = kNone;
  std::vector<std::uint32_t> index_;  // slots of request_slab_, at most half full
};

}  // namespace hanse::ledger
