// src/core/limits/idempotency_book.h
// Which requests are one and the same, because a client said so.
//
// A client whose connection broke cannot know whether its request was carried
// out. With an `Idempotency-Key` it may ask again: the request is carried out
// once, and whoever names it again gets the same answer, while it is made and
// for some minutes after. The book knows names, questions, sizes and times; the
// answers' bytes are the driver's.
//
// A name is *found* from open() until its answer has been kept for its time,
// had to make room, grew past its bound, or was forgotten (an error is never
// kept). What is not found any more is still counted while it is being made or
// read; when it is neither, it is *gone*, and shed() says so.
//
// Bounds: entries and bytes over all clients. The oldest answers that nobody is
// reading make room for new ones. A request for which that is not enough is not
// taken; an answer for which it is not enough is not kept.
//
// Plain state: no I/O, no clock, no threads. One book belongs to one shard and
// outlives snapshots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/time.h"

namespace hanse::limits {

struct IdempotencyLimits {
  std::size_t entries_max = 10'000;
  std::size_t bytes_max = std::size_t{64} << 20U;        // of all answers together
  std::size_t answer_bytes_max = std::size_t{4} << 20U;  // of one
  Duration kept_for = seconds(600);                      // from the answer's end
};

// What the holder of a key calls a request. Of the key and not of its name,
// which may be given to somebody else.
Sha256 idempotency_name(const Sha256& key_digest, std::string_view value);

// What is asked, by whatever decides about it. `operation` and the headers
// hold no zero byte.
struct IdempotentQuestion {
  std::string_view operation;
  std::string_view latency_class;
  std::string_view labels;
  std::string_view body;
};
Sha256 digest_of(const IdempotentQuestion& question);

// One answer; never used again.
struct KeptId {
  std::uint32_t slot = 0;  // below entries_max
  std::uint32_t generation = 0;

  bool operator==(const KeptId&) const = default;
};

class IdempotencyBook {
 public:
  // Requires: entries_max is positive, kept_for not negative.
  explicit IdempotencyBook(IdempotencyLimits limits);

  struct Found {
    KeptId id;
    bool same_question = false;
  };
  [[nodiscard]] std::optional<Found> find(const Sha256& name, const Sha256& question,
                                          MonotonicTime now) const;

  // --- The one request that is carried out. `now` never goes back. ---

  // It begins. Nothing when there is no room, for all entries are being made or
  // read. Requires: find() says nothing of `name` at `now`.
  std::optional<KeptId> open(const Sha256& name, const Sha256& question, MonotonicTime now);
  // Its answer takes so many bytes in all. False when it is not found (any
  // more), and so need not be kept for others. Requires: it has not ended.
  bool resize(KeptId id, std::size_t bytes);
  // It ended with an answer, which is kept unless it is not found any more.
  void answered(KeptId id, MonotonicTime now);
  // It ended otherwise; the next of its name is a new request.
  void forget(KeptId id);

  // --- Those who are told its answer. ---

  void listens(KeptId id);
  // Requires: one more listens() than leaves().
  void leaves(KeptId id);

  // An answer that is gone: its bytes may be freed, and its slot may be used
  // again. Call until nothing is left.
  std::optional<std::uint32_t> shed(MonotonicTime now);
  // When an answer's time is over.
  [[nodiscard]] std::optional<MonotonicTime> next_due() const;

  // --- State. ---

  // Whether find() may say it. Requires: it is not gone.
  [[nodiscard]] bool found(KeptId id) const { return slots_[id.slot].named; }
  [[nodiscard]] std::size_t listeners(KeptId id) const { return slots_[id.slot].listeners; }
  [[nodiscard]] std::size_t entries() const { return entries_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Answers that were not kept for all their time, since the beginning.
  struct Losses {
    std::uint64_t made_room = 0;
    std::uint64_t too_long = 0;  // for one, or for what room there was
  };
  [[nodiscard]] const Losses& losses() const { return losses_; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFF'FFFF;

  struct Slot {
    Sha256 name;
    Sha256 question;
    std::uint32_t generation = 0;
    std::uint32_t listeners = 0;
    std::size_t bytes = 0;
    bool used = false;
    bool running = false;
    bool named = false;
    MonotonicTime due;  // of an answer that is kept
    // Neighbours among those, in the order of their ends.
    std::uint32_t older = kNone;
    std::uint32_t younger = kNone;
  };

  Slot& at(KeptId id);
  void unname(std::uint32_t slot);
  void leave_if_idle(std::uint32_t slot);
  bool make_room();
  void expire(MonotonicTime now);

  IdempotencyLimits limits_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> gone_;
  std::map<Sha256, std::uint32_t> by_name_;
  std::uint32_t oldest_ = kNone;  // of the kept ones
  std::uint32_t youngest_ = kNone;
  std::size_t entries_ = 0;
  std::size_t bytes_ = 0;
  Losses losses_;
};

}  // namespace hanse::limits
