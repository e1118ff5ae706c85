// src/core/placement/demand.h
// What placement must know of a request, and what it foretells of an offer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bounded.h"
#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"

namespace hanse::placement {

struct Demand {
  TenantId tenant;
  AliasId alias;
  ClassId latency_class;
  std::int64_t prompt_bytes = 0;  // of the text, as sent
  // The most the client allows for one choice; the tenant's default when it
  // names none.
  Tokens output_limit{0};
  std::int32_t choices = 1;  // sequences it makes: OpenAI's `n` for each of its prompts
  bool streamed = false;
  // Only this variant will do: the answer has begun with it, or its context is
  // long enough. Not valid: any that the alias has.
  VariantId variant = {};
};

// Foretold for one offer, in fixed point only: decisions enter digests.
struct Prediction {
  Duration first_token;  // from now until the first token is here
  Duration per_token;    // between output tokens of one sequence
  Money cost;            // owed to the supplier
  Tokens prompt;         // all prompt tokens, cached ones among them
  Tokens cached;
  Tokens output;  // of all sequences
  std::int32_t sequences = 1;
  // The same times as the profile, the link and the load promise them, before
  // they are corrected by what was measured. What is measured is compared with
  // these, so that many attempts under way do not correct the same error
  // many times.
  Duration promised_first_token;
  Duration promised_per_token;
  // Of `first_token`, what others' work at the engine adds, as it told so long
  // ago; zero, both, where it tells nothing.
  Duration others_wait = {};
  Duration told_ago = {};

  bool operator==(const Prediction&) const = default;
};

enum class Reason : std::uint8_t {
  chosen,
  dearer,            // another that meets the objective costs less
  misses_objective,  // another meets the latency objective, this does not
  slower,            // none meets the objective, another comes nearer
  busier,            // another has less work before it
  not_its_turn,      // by a strategy that does not compare
  later_id,          // as good in all that counts; ties break by id
};

std::string_view to_string(Reason reason);

struct Candidate {
  OfferId offer;
  Prediction prediction;
  bool within_objective = false;
  Reason reason = Reason::chosen;
};

// How many of the best candidates a decision record holds.
inline constexpr std::size_t kCandidatesKept = 4;

struct Decision {
  OfferId chosen;  // not valid: no candidate
  // The chosen one first, then the best of the rest.
  InlineVector<Candidate, kCandidatesKept> best;
  std::uint32_t candidates = 0;  // offers looked at
};

}  // namespace hanse::placement
