// src/core/placement/load_book.h
// What is under way at each offer, and how its measured speed compares with
// what its profile promised: local accounting, told by dispatch.
//
// Plain state, bounded by the number of offers; one book belongs to one shard.
#pragma once

#include <cstdint>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "core/fleet/fleet.h"
#include "core/placement/demand.h"

namespace hanse::placement {

class LoadBook {
 public:
  explicit LoadBook(const fleet::Fleet& fleet);

  // An attempt with this prediction was sent to `offer`.
  void started(OfferId offer, const Prediction& prediction);
  // Its first token came `waited` after it was sent; corrects the offer's
  // prediction of first tokens.
  void first_token(OfferId offer, const Prediction& prediction, Duration waited);
  // It ended, well or not, with `output` tokens in `decoding` since the first;
  // zero tokens teach nothing.
  void ended(OfferId offer, const Prediction& prediction, bool had_first_token, Tokens output,
             Duration decoding);

  struct Load {
    std::int32_t sequences = 0;   // attempts under way
    Tokens prefill_tokens{0};     // of prompts whose first token has not come
    Tokens outstanding_tokens{0}; // prompt and expected output of all under way
    // Measured over promised, in 1/65,536: 65,536 says as promised.
    std::int64_t first_token_correction = 65'536;
    std::int64_t per_token_correction = 65'536;
  };
  [[nodiscard]] const Load& of(OfferId offer) const;

 private:
  std::vector<Load> loads_;  // indexed by OfferId
};

}  // namespace hanse::placement
