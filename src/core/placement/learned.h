// src/core/placement/learned.h
// Ratios learned from settled requests, for prediction only, never for holds:
// prompt tokens per byte of text, output length, share of the prompt found in
// a site's prefix cache. Fixed point, exponentially forgetting.
//
// What is known before anything was seen, per tenant and alias:
//
// * a prompt token is four bytes of text; that guess weighs as much as 1,024
//   bytes seen, and all that was seen before weighs 15/16 with each request;
// * an answer has 256 tokens, or the request's limit if that is less; the mean
//   of the first 16 answers counts the guess as one of them, after that each
//   answer weighs 1/16;
// * nothing is cached anywhere; each answer weighs 1/4.
//
// Plain state. Bounded: kRowsMax pairs of tenant and alias, kSharesMax cached
// shares over all; past a bound the guess stays, which the books never see.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/placement/demand.h"

namespace hanse::placement {

class Learned {
 public:
  static constexpr std::size_t kRowsMax = 131'072;
  static constexpr std::size_t kSharesMax = 262'144;

  // A request of `demand` was served at `site` with this usage. Usage that was
  // estimated here or contradicts the text teaches nothing.
  void observe(const Demand& demand, SiteId site, const Usage& usage);

  // Of one request, all its choices reading the same prompt.
  [[nodiscard]] Tokens prompt_tokens(const Demand& demand) const;
  // Of one choice: the least of the limit and what such requests used to write.
  [[nodiscard]] Tokens output_tokens(const Demand& demand) const;
  // Of `prompt` tokens, how many `site` is likely to have; zero at first.
  [[nodiscard]] Tokens cached_tokens(const Demand& demand, SiteId site, Tokens prompt) const;

  // Part of a prompt that a site is likely to have, in 1/65,536.
  struct CachedShare {
    SiteId site;
    std::uint32_t share = 0;
  };
  // All sites that are likely to have any, in rising order.
  [[nodiscard]] std::span<const CachedShare> cached_shares(const Demand& demand) const;
  static std::uint64_t cached_tokens(CachedShare share, std::uint64_t prompt) {
    return (prompt * share.share) >> 16U;
  }

  // For a new snapshot: takes over what `known` has learned. The maps lead
  // from the old ids to the new; not valid = gone.
  void adopt(const Learned& known, std::span<const TenantId> tenants,
             std::span<const AliasId> aliases, std::span<const SiteId> sites);

 private:
  struct Row {
    AliasId alias;
    std::uint64_t bytes = 0;            // of text seen, forgetting
    std::uint64_t prompt_tokens = 0;    // in them, forgetting, in 1/65,536
    std::uint64_t tokens_per_byte = 0;  // their ratio, in 1/65,536
    std::uint64_t output = 0;           // mean of a choice, in 1/65,536
    std::uint32_t answers = 0;          // seen, up to the window
    std::vector<CachedShare> cached;    // rising by site
  };

  [[nodiscard]] const Row* find(TenantId tenant, AliasId alias) const;
  Row* find_or_add(TenantId tenant, AliasId alias);
  void observe_cached(Row& row, SiteId site, std::uint64_t cached, std::uint64_t prompt);

  std::vector<std::vector<Row>> tenants_;  // by TenantId, rows rising by alias
  std::size_t rows_ = 0;
  std::size_t shares_ = 0;
};

}  // namespace hanse::placement
