#include "core/ledger/open_requests.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hanse::ledger {

OpenRequests::OpenRequests(std::size_t requests_max, std::size_t attempts_max)
    : requests_max_(requests_max), attempts_max_(attempts_max), index_(64, kNone) {
  HANSE_CHECK(requests_max < kNone && attempts_max < kNone);
}

OpenRequest* OpenRequests::find(RequestNumber number) {
  return const_cast<OpenRequest*>(std::as_const(*this).find(number));
}

const OpenRequest* OpenRequests::find(RequestNumber number) const {
  const std::uint32_t slot = index_[place(number)];
  return slot == kNone ? nullptr : &request_slab_[slot];
}

OpenRequest& OpenRequests::insert(const HoldOpened& hold) {
  HANSE_CHECK(!requests_full());
  if ((requests_ + 1) * 2 > index_.size()) grow_index();
  const std::size_t at = place(hold.request);
  HANSE_CHECK(index_[at] == kNone);
  if (first_free_request_ == kNone) {
    first_free_request_ = static_cast<std::uint32_t>(request_slab_.size());
    request_slab_.emplace_back();
    request_slab_.back().next_free = kNone;
  }
  const std::uint32_t slot = first_free_request_;
  OpenRequest& request = request_slab_[slot];
  first_free_request_ = request.next_free;
  request = OpenRequest{};
  request.hold = hold;
  request.first_attempt = kNone;
  index_[at] = slot;
  ++requests_;
  return request;
}

void OpenRequests::erase(OpenRequest& request) {
  HANSE_CHECK(request.attempts_open == 0);
  const std::size_t at = place(request.hold.request);
  const std::uint32_t slot = index_[at];
  HANSE_CHECK(slot != kNone && &request_slab_[slot] == &request);
  remove_from_index(at);
  request.next_free = first_free_request_;
  first_free_request_ = slot;
  --requests_;
}

OpenAttempt* OpenRequests::find(OpenRequest& request, AttemptNumber attempt) {
  for (std::uint32_t i = request.first_attempt; i != kNone; i = attempt_slab_[i].next) {
    if (attempt_slab_[i].opened.attempt == attempt) return &attempt_slab_[i];
  }
  return nullptr;
}

OpenAttempt& OpenRequests::insert(OpenRequest& request, const AttemptOpened& opened) {
  HANSE_CHECK(!attempts_full());
  HANSE_CHECK(find(request, opened.attempt) == nullptr);
  if (first_free_attempt_ == kNone) {
    first_free_attempt_ = static_cast<std::uint32_t>(attempt_slab_.size());
    attempt_slab_.emplace_back();
    attempt_slab_.back().next = kNone;
  }
  const std::uint32_t slot = first_free_attempt_;
  OpenAttempt& attempt = attempt_slab_[slot];
  first_free_attempt_ = attempt.next;
  attempt.opened = opened;
  attempt.watermarked = false;
  attempt.progress = {.confirmed = {}, .may_leave = opened.tokens_max};
  attempt.next = request.first_attempt;
  request.first_attempt = slot;
  ++request.attempts_open;
  ++attempts_;
  return attempt;
}

void OpenRequests::erase(OpenRequest& request, AttemptNumber attempt) {
  std::uint32_t* link = &request.first_attempt;
  while (*link != kNone && attempt_slab_[*link].opened.attempt != attempt) {
    link = &attempt_slab_[*link].next;
  }
  HANSE_CHECK(*link != kNone);
  const std::uint32_t slot = *link;
  *link = attempt_slab_[slot].next;
  attempt_slab_[slot].next = first_free_attempt_;
  first_free_attempt_ = slot;
  --request.attempts_open;
  --attempts_;
}

std::vector<RequestNumber> OpenRequests::numbers() const {
  std::vector<RequestNumber> all;
  all.reserve(requests_);
  for (const std::uint32_t slot : index_) {
    if (slot != kNone) all.push_back(request_slab_[slot].hold.request);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<AttemptNumber> OpenRequests::attempts_of(const OpenRequest& request) const {
  std::vector<AttemptNumber> all;
  for (std::uint32_t i = request.first_attempt; i != kNone; i = attempt_slab_[i].next) {
    all.push_back(attempt_slab_[i].opened.attempt);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::size_t OpenRequests::home(RequestNumber number) const {
  // Numbers follow each other, so any odd multiplier spreads them.
  const auto key = static_cast<std::uint64_t>(number.sequence) ^
                   (static_cast<std::uint64_t>(number.epoch.count()) << 40U);
  return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15U) >> 32U) & (index_.size() - 1);
}

std::size_t OpenRequests::place(RequestNumber number) const {
  std::size_t at = home(number);
  while (index_[at] != kNone && request_slab_[index_[at]].hold.request != number) {
    at = (at + 1) & (index_.size() - 1);
  }
  return at;
}

void OpenRequests::grow_index() {
  const std::vector<std::uint32_t> old =
      std::exchange(index_, std::vector<std::uint32_t>(index_.size() * 2, kNone));
  for (const std::uint32_t slot : old) {
    if (slot != kNone) index_[place(request_slab_[slot].hold.request)] = slot;
  }
}

// Closes the gap, so that no probe stops early at a removed place (Knuth,
// The Art of Computer Programming 3, 6.4, Algorithm R).
void OpenRequests::remove_from_index(std::size_t hole) {
  const std::size_t mask = index_.size() - 1;
  index_[hole] = kNone;
  for (std::size_t at = (hole + 1) & mask; index_[at] != kNone; at = (at + 1) & mask) {
    const std::size_t wanted = home(request_slab_[index_[at]].hold.request);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    index_[hole] = std::exchange(index_[at], kNone);
    hole = at;
  }
}

}  // namespace hanse::ledger
