// src/drivers/serve/kept_answers.h
// The answers of requests with an Idempotency-Key, for who asks again.
//
// In memory only, and of this shard: a process is one shard, so that whoever
// reaches it finds all of them. After a restart, or at another gateway, a
// request that is sent again is a new one.
//
// Belongs to its shard's thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "adapters/http/loop.h"
#include "core/limits/idempotency_book.h"
#include "drivers/serve/kept_answer.h"

namespace hanse::serve {

class KeptAnswers {
 public:
  // Requires: `loop` outlives it; no exchange that it answers does.
  KeptAnswers(http::Loop& loop, const limits::IdempotencyLimits& limits);

  // A request, as its client names it.
  struct Request {
    Sha256 name;
    Sha256 question;
  };
  struct Found {
    KeptAnswer* answer = nullptr;
    bool same_question = false;
  };
  // Nothing: it is new.
  [[nodiscard]] std::optional<Found> find(const Request& request);
  // The answer to a new request, to be made. Null when there is no room.
  // Requires: find() says nothing.
  KeptAnswer* open(const Request& request);

  [[nodiscard]] const limits::IdempotencyBook& book() const { return book_; }

  // --- For the answers themselves. ---

  [[nodiscard]] limits::IdempotencyBook& book() { return book_; }
  [[nodiscard]] http::Loop& loop() { return loop_; }
  [[nodiscard]] MonotonicTime now() const { return loop_.now().monotonic; }
  // Frees what is gone; perhaps the caller.
  void tidy();

 private:
  http::Loop& loop_;
  limits::IdempotencyBook book_;
  std::vector<std::unique_ptr<KeptAnswer>> answers_;  // by slot
  http::Timer due_;
};

}  // namespace hanse::serve
