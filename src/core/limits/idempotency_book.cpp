#include "core/limits/idempotency_book.h"

#include "base/check.h"

namespace hanse::limits {
namespace {

std::string_view bytes_of(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

constexpr std::string_view kEnd("\0", 1);

}  // namespace

Sha256 idempotency_name(const Sha256& key_digest, std::string_view value) {
  return sha256({bytes_of(key_digest), value});
}

Sha256 digest_of(const IdempotentQuestion& question) {
  return sha256({question.operation, kEnd, question.latency_class, kEnd, question.labels, kEnd,
                 question.body});
}

IdempotencyBook::IdempotencyBook(IdempotencyLimits limits) : limits_(limits) {
  HANSE_CHECK(limits_.entries_max > 0 && limits_.entries_max < kNone);
  HANSE_CHECK(limits_.kept_for >= Duration(0));
}

std::optional<IdempotencyBook::Found> IdempotencyBook::find(const Sha256& name,
                                                            const Sha256& question,
                                                            MonotonicTime now) const {
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) return std::nullopt;
  const Slot& slot = slots_[at->second];
  if (!slot.running && slot.due <= now) return std::nullopt;
  return Found{.id = {.slot = at->second, .generation = slot.generation},
               .same_question = slot.question == question};
}

std::optional<KeptId> IdempotencyBook::open(const Sha256& name, const Sha256& question,
                                            MonotonicTime now) {
  expire(now);
  if (entries_ >= limits_.entries_max && !make_room()) return std::nullopt;
  auto at = static_cast<std::uint32_t>(slots_.size());
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[at];
  const std::uint32_t generation = slot.generation + 1;
  slot = Slot();
  slot.name = name;
  slot.question = question;
  slot.generation = generation;
  slot.used = slot.running = slot.named = true;
  const bool is_new = by_name_.emplace(name, at).second;
  HANSE_CHECK(is_new);
  ++entries_;
  return KeptId{.slot = at, .generation = slot.generation};
}

bool IdempotencyBook::resize(KeptId id, std::size_t bytes) {
  Slot& slot = at(id);
  HANSE_CHECK(slot.running);
  bytes_ = bytes_ - slot.bytes + bytes;
  slot.bytes = bytes;
  if (!slot.named) return false;
  bool fits = bytes <= limits_.answer_bytes_max;
  while (fits && bytes_ > limits_.bytes_max) fits = make_room();
  if (fits) return true;
  unname(id.slot);
  ++losses_.too_long;
  return false;
}

void IdempotencyBook::answered(KeptId id, MonotonicTime now) {
  Slot& slot = at(id);
  HANSE_CHECK(slot.running);
  slot.running = false;
  if (!slot.named) return leave_if_idle(id.slot);
  slot.due = now + limits_.kept_for;
  slot.older = youngest_;
  (youngest_ == kNone ? oldest_ : slots_[youngest_].younger) = id.slot;
  youngest_ = id.slot;
}

void IdempotencyBook::forget(KeptId id) {
  Slot& slot = at(id);
  HANSE_CHECK(slot.running);
  if (slot.named) unname(id.slot);
  slot.running = false;
  leave_if_idle(id.slot);
}

void IdempotencyBook::listens(KeptId id) { ++at(id).listeners; }

void IdempotencyBook::leaves(KeptId id) {
  Slot& slot = at(id);
  HANSE_CHECK(slot.listeners > 0);
  --slot.listeners;
  leave_if_idle(id.slot);
}

std::optional<std::uint32_t> IdempotencyBook::shed(MonotonicTime now) {
  expire(now);
  if (gone_.empty()) return std::nullopt;
  const std::uint32_t slot = gone_.back();
  gone_.pop_back();
  free_.push_back(slot);
  return slot;
}

std::optional<MonotonicTime> IdempotencyBook::next_due() const {
  if (oldest_ == kNone) return std::nullopt;
  return slots_[oldest_].due;
}

IdempotencyBook::Slot& IdempotencyBook::at(KeptId id) {
  HANSE_CHECK(id.slot < slots_.size());
  Slot& slot = slots_[id.slot];
  HANSE_CHECK(slot.used && slot.generation == id.generation);
  return slot;
}

// It is not found from now on.
void IdempotencyBook::unname(std::uint32_t at) {
  Slot& slot = slots_[at];
  by_name_.erase(slot.name);
  slot.named = false;
  if (slot.running) return;
  (slot.older == kNone ? oldest_ : slots_[slot.older].younger) = slot.younger;
  (slot.younger == kNone ? youngest_ : slots_[slot.younger].older) = slot.older;
  slot.older = slot.younger = kNone;
}

void IdempotencyBook::leave_if_idle(std::uint32_t at) {
  Slot& slot = slots_[at];
  if (slot.named || slot.running || slot.listeners > 0) return;
  slot.used = false;
  bytes_ -= slot.bytes;
  --entries_;
  gone_.push_back(at);
}

// Gives up the oldest answer that nobody is reading, if there is one.
bool IdempotencyBook::make_room() {
  for (std::uint32_t at = oldest_; at != kNone; at = slots_[at].younger) {
    if (slots_[at].listeners > 0) continue;
    unname(at);
    leave_if_idle(at);
    ++losses_.made_room;
    return true;
  }
  return false;
}

void IdempotencyBook::expire(MonotonicTime now) {
  while (oldest_ != kNone && slots_[oldest_].due <= now) {
    const std::uint32_t at = oldest_;
    unname(at);
    leave_if_idle(at);
  }
}

}  // namespace hanse::limits
