#include "core/placement/placement.h"

#include <algorithm>
#include <limits>
#include <optional>
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

OfferPrice price(const fleet::Offer& offer) {
  return {.prompt = price(offer, TokenKind::prompt),
          .cached = price(offer, TokenKind::cached_read),
          .output = price(offer, TokenKind::output)};
}

using OffersByVariant = std::vector<std::vector<Shelf::Placed>>;

OffersByVariant offers_by_variant(const catalog::Catalog& catalog, const fleet::Fleet& fleet) {
  OffersByVariant by_variant(catalog.variants.size());
  fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    by_variant[offer.variant.value()].push_back({id, offer.site, price(offer)});
  });
  return by_variant;
}

std::vector<Shelf> shelves_of_variants(const OffersByVariant& by_variant,
                                       const fleet::Fleet& fleet) {
  std::vector<Shelf> shelves;
  for (const auto& offers : by_variant) {
    shelves.emplace_back(offers, fleet.offers.size(), fleet.sites.size());
  }
  return shelves;
}

// The offers of each alias: of all its variants, wherever they are.
std::vector<Shelf> shelves_of(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                              const OffersByVariant& by_variant) {
  std::vector<Shelf> shelves;
  for (const catalog::Alias& alias : catalog.aliases) {
    std::vector<VariantId> variants = alias.variants;
    std::ranges::sort(variants);
    const auto repeated = std::ranges::unique(variants);
    variants.erase(repeated.begin(), repeated.end());
    std::vector<Shelf::Placed> offers;
    for (const VariantId variant : variants) {
      const auto& more = by_variant[variant.value()];
      offers.insert(offers.end(), more.begin(), more.end());
    }
    shelves.emplace_back(std::move(offers), fleet.offers.size(), fleet.sites.size());
  }
  return shelves;
}

}  // namespace

Result<Placement> Placement::create(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                    std::string_view strategy) {
  auto made = make_strategy(strategy);
  if (!made) return std::unexpected(std::move(made.error()));
  return Placement(catalog, fleet, *std::move(made));
}

Placement::Placement(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                     std::unique_ptr<Strategy> strategy)
    : catalog_(&catalog),
      fleet_(&fleet),
      strategy_(std::move(strategy)),
      shelves_(shelves_of(catalog, fleet, offers_by_variant(catalog, fleet))),
      of_variants_(shelves_of_variants(offers_by_variant(catalog, fleet), fleet)),
      loads_(fleet),
      ranking_(kCandidatesKept) {
  for (const fleet::Offer& offer : fleet.offers) {
    prices_.push_back(price(offer));
    dearest_ = {.prompt = std::max(dearest_.prompt, prices_.back().prompt),
                .cached = std::max(dearest_.cached, prices_.back().cached),
                .output = std::max(dearest_.output, prices_.back().output)};
  }
}

const Shelf& Placement::shelf(const Demand& demand) const {
  if (demand.variant.valid()) {
    HANSE_CHECK(demand.variant.value() < of_variants_.size());
    return of_variants_[demand.variant.value()];
  }
  HANSE_CHECK(demand.alias.value() < shelves_.size());
  return shelves_[demand.alias.value()];
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

void Placement::gather(const Demand& demand, const Workload& work, const BitSet& allowed,
                       Candidates& candidates) const {
  HANSE_CHECK(allowed.size() == fleet_->sites.size());
  candidates.cold_sites.assign(allowed);
  gather_warm(demand, work, candidates);
  candidates.cold_count = shelf(demand).count_at(candidates.cold_sites, candidates.scratch);
}

void Placement::gather_warm(const Demand& demand, const Workload& work,
                            Candidates& candidates) const {
  candidates.warm.clear();
  const Shelf& shelf = this->shelf(demand);
  for (const auto share : learned_.cached_shares(demand)) {
    if (!candidates.cold_sites.contains(share.site.value())) continue;
    candidates.cold_sites.erase(share.site.value());
    const std::uint64_t cached = Learned::cached_tokens(share, work.prompt_tokens);
    for (const OfferId offer : loads_.offers_at(share.site)) {
      if (!shelf.holds(offer)) continue;
      candidates.warm.push_back(
          {static_cast<std::uint32_t>(offer.value()), static_cast<std::uint32_t>(cached)});
    }
  }
}

Field Placement::field(const Demand& demand, const Workload& work,
                       const Candidates& candidates) const {
  return {demand, work, objective(demand),
          FieldSources{.loads = loads_,
                       .prices = prices_,
                       .dearest = dearest_,
                       .shelf = shelf(demand),
                       .cold_sites = candidates.cold_sites,
                       .warm = candidates.warm}};
}

Prediction Placement::predict(const Field& field, OfferId offer, std::uint64_t cached) const {
  const Workload& work = field.work();
  const Pace promised = loads_.promise(offer);
  TokenCounts counts;
  counts[TokenKind::prompt] = tokens(work.prompt_tokens - cached);
  counts[TokenKind::cached_read] = tokens(cached);
  counts[TokenKind::output] = tokens(work.output_tokens);
  return {.first_token = duration(field.first_token(offer, cached)),
          .per_token = duration(field.per_token(offer)),
          .cost = cost(counts, fleet_->offers[offer].prices),
          .prompt = tokens(work.prompt_tokens),
          .cached = tokens(cached),
          .output = tokens(work.output_tokens),
          .sequences = std::clamp(field.demand().choices, 1, 1 << 20),
          .promised_first_token = duration(field.first_token(promised, cached)),
          .promised_per_token = duration(promised.decode),
          .others_wait = loads_.others_wait(offer)};
}

Candidate Placement::candidate(const Field& field, const Ranked& chosen, const Ranked& ranked,
                               MonotonicTime now) const {
  const bool is_chosen = ranked.offer == chosen.offer;
  Prediction prediction = predict(field, ranked.offer, ranked.cached);
  if (prediction.others_wait > Duration()) {
    const SiteId site = fleet_->offers[ranked.offer].site;
    prediction.told_ago = elapsed(loads_.others_at(site).told_at, now);
  }
  return {.offer = ranked.offer,
          .prediction = prediction,
          .within_objective = field.lateness(ranked.offer, ranked.cached) == 0,
          .reason = is_chosen ? Reason::chosen : strategy_->why_not(chosen.score, ranked.score)};
}

Decision Placement::decide(const Demand& demand, const BitSet& allowed, Instant now) {
  loads_.relax(now.monotonic);
  const Workload work = workload(demand);
  gather(demand, work, allowed, candidates_);
  const Field here = field(demand, work, candidates_);
  ranking_.clear();
  strategy_->rank(here, ranking_);

  Decision decision;
  decision.candidates =
      static_cast<std::uint32_t>(candidates_.cold_count + candidates_.warm.size());
  for (const Ranked& ranked : ranking_.best()) {
    decision.best.push(candidate(here, ranking_.best().front(), ranked, now.monotonic));
  }
  if (!decision.best.empty()) {
    decision.chosen = decision.best[0].offer;
    strategy_->chose(demand, decision.chosen);
  }
  return decision;
}

Duration Placement::soonest_first_token(const Demand& demand, const BitSet& sites,
                                        Load load) const {
  const Field view = field(demand, workload(demand), {});
  std::optional<std::uint64_t> soonest;
  for (const Shelf::Spot spot : shelf(demand).by_id()) {
    if (!sites.contains(spot.site)) continue;
    const OfferId offer(spot.offer);
    const Pace pace = load == Load::idle ? loads_.idle_pace(offer) : loads_.paces()[spot.offer];
    const std::uint64_t first_token = view.first_token(pace, /*cached=*/0);
    soonest = std::min(soonest.value_or(first_token), first_token);
  }
  return duration(soonest.value_or(0));
}

Prediction Placement::predict(const Demand& demand, OfferId offer) const {
  const Workload work = workload(demand);
  const SiteId site = fleet_->offers[offer].site;
  const Tokens cached = learned_.cached_tokens(demand, site, tokens(work.prompt_tokens));
  return predict(field(demand, work, {}), offer, bounded(cached.count(), work.prompt_tokens));
}

}  // namespace hanse::placement
