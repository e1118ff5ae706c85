// src/adapters/storage/follows.h
// The rule that makes feeding idempotent, for every store the same.
#pragma once

#include <fmt/format.h>

#include "adapters/storage/books.h"

namespace hanse::storage {

enum class Wanted : std::uint8_t {
  rows,
  nothing,  // they are there already
};

// What a store that has reached `position` does with a batch.
// Fails: conflict when entries would be left out or booked twice.
inline Result<Wanted> follows(const BookBatch& batch, ledger::Position position) {
  if (batch.last <= position) return Wanted::nothing;
  if (batch.after == position) return Wanted::rows;
  return fail({ErrorCode::conflict, Fault::us, Retry::no,
               fmt::format("a batch of entries {} to {} does not follow entry {}",
                           batch.after.count() + 1, batch.last.count(), position.count())});
}

}  // namespace hanse::storage
