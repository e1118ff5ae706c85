#include "core/placement/placement.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace hanse::placement {
namespace {

// With these bounds no foretold time leaves 63 bits, see load_book.cpp.
constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 28U;
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 32U;

std::uint64_t bounded(std::int64_t value, std::uint64_t max) {
  return value < 0 ? 0 : std::min(static_cast<std::uint64_t>(value), max);
}

Tokens tokens(std::uint64_t count) { return Tokens(static_cast<std::int64_t>(count)); }
Duration duration(std::uint64_t ns) { return Duration(static_cast<std::int64_t>(ns)); }

std::uint64_t price(const fleet::Offer& offer, TokenKind kind) {
  return bounded(offer.prices[kind].count(), std::numeric_limits<std::int64_t>::max());
}

}  // namespace

Result<Placement> Placement::create(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                    std::string_view strategy, std::uint64_t seed) {
  auto made = make_strategy(strategy, seed);
  if (!made) return std::unexpected(std::move(made.error()));
  return Placement(catalog, fleet, *std::move(made));
}

std::vector<std::vector<Placement::Placed>> Placement::offers_by_alias(
    const catalog::Catalog& catalog, const fleet::Fleet& fleet) {
  std::vector<std::vector<Placed>> by_variant(catalog.variants.size());
  fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    by_variant[offer.variant.value()].push_back(
        {static_cast<std::uint32_t>(id.value()), static_cast<std::uint32_t>(offer.site.value())});
  });
  std::vector<std::vector<Placed>> by_alias;
  for (const catalog::Alias& alias : catalog.aliases) {
    auto& offers = by_alias.emplace_back();
    for (const VariantId variant : alias.variants) {
      const auto& more = by_variant[variant.value()];
      offers.insert(offers.end(), more.begin(), more.end());
    }
    std::ranges::sort(offers);
    const auto repeated = std::ranges::unique(offers);
    offers.erase(repeated.begin(), repeated.end());
  }
  return by_alias;
}

Placement::Placement(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                     std::unique_ptr<Strategy> strategy)
    : catalog_(&catalog),
      fleet_(&fleet),
      strategy_(std::move(strategy)),
      offers_(offers_by_alias(catalog, fleet)),
      loads_(fleet),
      ranking_(kCandidatesKept),
      cached_(fleet.offers.size(), 0) {
  for (const fleet::Offer& offer : fleet.offers) {
    prices_.push_back({.prompt = price(offer, TokenKind::prompt),
                       .cached = price(offer, TokenKind::cached_read),
                       .output = price(offer, TokenKind::output)});
    dearest_ = {.prompt = std::max(dearest_.prompt, prices_.back().prompt),
                .cached = std::max(dearest_.cached, prices_.back().cached),
                .output = std::max(dearest_.output, prices_.back().output)};
  }
}

Workload Placement::workload(const Demand& demand) const {
  const std::uint64_t sequence = bounded(learned_.output_tokens(demand).count(), kTokensMax);
  const auto choices = static_cast<std::uint64_t>(std::clamp(demand.choices, 1, 1 << 20));
  return {.prompt_bytes = bounded(demand.prompt_bytes, kBytesMax),
          .prompt_tokens = bounded(learned_.prompt_tokens(demand).count(), kTokensMax),
          .output_tokens = std::min(sequence * choices, kTokensMax),
          .sequence_tokens = sequence};
}

Objective Placement::objective(const Demand& demand) const {
  const catalog::LatencyClass& latency = catalog_->classes[demand.latency_class];
  const auto most = static_cast<std::uint64_t>(kForever.count());
  return {.first_token = bounded(latency.first_token.count(), most),
          .per_token = bounded(latency.per_token.count(), most)};
}

std::span<const std::uint32_t> Placement::candidates(AliasId alias, const BitSet& allowed,
                                                     std::vector<std::uint32_t>& scratch) const {
  const auto& offers = offers_[alias.value()];
  if (scratch.size() < offers.size()) scratch.resize(offers.size());
  // Which sites are allowed is as good as random, so a branch on it would be
  // guessed wrong half of the time: every offer is written, and the next one
  // overwrites it unless it counts.
  std::size_t count = 0;
  for (const Placed& placed : offers) {
    scratch[count] = placed.offer;
    count += allowed.contains(placed.site) ? 1U : 0U;
  }
  return std::span(scratch).first(count);
}

void Placement::expect_cached(const Demand& demand, const Workload& work,
                              std::vector<std::uint32_t>& cached) const {
  for (const auto share : learned_.cached_shares(demand)) {
    const std::uint64_t expected = Learned::cached_tokens(share, work.prompt_tokens);
    for (const OfferId offer : loads_.offers_at(share.site)) {
      cached[offer.value()] = static_cast<std::uint32_t>(expected);
    }
  }
}

void Placement::forget_cached(const Demand& demand, std::vector<std::uint32_t>& cached) const {
  for (const auto share : learned_.cached_shares(demand)) {
    for (const OfferId offer : loads_.offers_at(share.site)) cached[offer.value()] = 0;
  }
}

FieldColumns Placement::columns(std::span<const std::uint32_t> cached) const {
  return {.prices = prices_, .dearest = dearest_, .paces = loads_.paces(), .cached = cached};
}

Prediction Placement::predict(const Field& field, OfferId offer) const {
  const Workload& work = field.work();
  const std::uint64_t cached = field.cached_tokens(offer);
  const Pace promised = loads_.promise(offer);
  TokenCounts counts;
  counts[TokenKind::prompt] = tokens(work.prompt_tokens - cached);
  counts[TokenKind::cached_read] = tokens(cached);
  counts[TokenKind::output] = tokens(work.output_tokens);
  return {.first_token = duration(field.first_token(offer)),
          .per_token = duration(field.per_token(offer)),
          .cost = cost(counts, fleet_->offers[offer].prices),
          .prompt = tokens(work.prompt_tokens),
          .cached = tokens(cached),
          .output = tokens(work.output_tokens),
          .sequences = std::clamp(field.demand().choices, 1, 1 << 20),
          .promised_first_token = duration(field.first_token(offer, promised)),
          .promised_per_token = duration(promised.decode)};
}

Candidate Placement::candidate(const Field& field, const Ranked& chosen,
                               const Ranked& ranked) const {
  const bool is_chosen = ranked.offer == chosen.offer;
  return {.offer = ranked.offer,
          .prediction = predict(field, ranked.offer),
          .within_objective = field.lateness(ranked.offer) == 0,
          .reason = is_chosen ? Reason::chosen : strategy_->why_not(chosen.score, ranked.score)};
}

Decision Placement::decide(const Demand& demand, const BitSet& allowed, Instant now) {
  HANSE_CHECK(allowed.size() == fleet_->sites.size());
  HANSE_CHECK(demand.alias.value() < offers_.size());
  loads_.relax(now.monotonic);

  const Workload work = workload(demand);
  expect_cached(demand, work, cached_);
  const auto offers = candidates(demand.alias, allowed, candidates_);
  const Field field(demand, work, objective(demand), loads_, columns(cached_), offers);
  ranking_.clear();
  strategy_->rank(field, ranking_);

  Decision decision;
  decision.candidates = static_cast<std::uint32_t>(offers.size());
  for (const Ranked& ranked : ranking_.best()) {
    decision.best.push(candidate(field, ranking_.best().front(), ranked));
  }
  forget_cached(demand, cached_);
  if (!decision.best.empty()) {
    decision.chosen = decision.best[0].offer;
    strategy_->chose(demand, decision.chosen);
  }
  return decision;
}

std::vector<Candidate> Placement::explain(const Demand& demand, const BitSet& allowed) const {
  HANSE_CHECK(allowed.size() == fleet_->sites.size());
  HANSE_CHECK(demand.alias.value() < offers_.size());
  const Workload work = workload(demand);
  std::vector<std::uint32_t> cached(cached_.size(), 0);
  expect_cached(demand, work, cached);
  std::vector<std::uint32_t> scratch;
  const auto offers = candidates(demand.alias, allowed, scratch);
  const Field field(demand, work, objective(demand), loads_, columns(cached), offers);
  Ranking ranking(std::max<std::size_t>(offers.size(), 1));
  strategy_->rank(field, ranking);

  std::vector<Candidate> explained;
  for (const Ranked& ranked : ranking.best()) {
    explained.push_back(candidate(field, ranking.best().front(), ranked));
  }
  return explained;
}

Prediction Placement::predict(const Demand& demand, OfferId offer) const {
  const Workload work = workload(demand);
  std::vector<std::uint32_t> cached(cached_.size(), 0);
  expect_cached(demand, work, cached);
  return predict(Field(demand, work, objective(demand), loads_, columns(cached), {}), offer);
}

}  // namespace hanse::placement
