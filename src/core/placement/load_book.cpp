#include "core/placement/load_book.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hanse::placement {
namespace {

// The bounds that keep a foretold time within 63 bits: at most 2^28 tokens and
// 2^32 bytes (see Placement::workload) meet at most 2^49 and 2^45 fixed-point
// ns each, and a product loses 16 bits. A site that is slower than these is
// slower than anybody waits.
constexpr std::uint64_t kPrefillMax = std::uint64_t{1} << 49U;  // 8.6 s per token
constexpr std::uint64_t kPerByteMax = std::uint64_t{1} << 45U;  // 0.5 s per byte
constexpr std::uint64_t kDecodeMax = std::uint64_t{1} << 34U;   // 17 s per token
constexpr std::uint64_t kWaitMax = std::uint64_t{1} << 61U;

constexpr std::int64_t kCorrectionLeast = kOne / 16;
constexpr std::int64_t kCorrectionMost = kOne * 16;
constexpr std::int64_t kCorrectionWeight = 8;
constexpr Duration kRelaxesAfter = seconds(30);
constexpr std::size_t kRelaxedPerCall = 16;

constexpr std::uint64_t kNanosPerSecond = 1'000'000'000;

std::uint64_t unsigned_of(std::int64_t value) {
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

std::uint64_t saturated(unsigned __int128 value, std::uint64_t max) {
  return value > max ? max : static_cast<std::uint64_t>(value);
}

std::uint64_t corrected(std::uint64_t value, std::int64_t correction, std::uint64_t max) {
  return saturated(
      (static_cast<unsigned __int128>(value) * unsigned_of(correction)) >> kFractionBits, max);
}

// ns per item at `per_second` items, in fixed point.
std::uint64_t reciprocal(std::int64_t per_second, std::uint64_t max) {
  const auto rate = static_cast<std::uint64_t>(std::max<std::int64_t>(per_second, 1));
  return saturated((static_cast<unsigned __int128>(kNanosPerSecond) << kFractionBits) / rate, max);
}

// Moves a correction an eighth of the way to what this attempt showed.
std::int64_t learn(std::int64_t correction, Duration measured, Duration promised) {
  if (promised.count() <= 0 || measured.count() < 0) return correction;
  const __int128 ratio =
      (static_cast<__int128>(measured.count()) << kFractionBits) / promised.count();
  const std::int64_t bounded = ratio > kCorrectionMost
                                   ? kCorrectionMost
                                   : std::max(static_cast<std::int64_t>(ratio), kCorrectionLeast);
  return correction + (bounded - correction) / kCorrectionWeight;
}

}  // namespace

LoadBook::LoadBook(const fleet::Fleet& fleet)
    : terms_(fleet.offers.size()),
      loads_(fleet.offers.size()),
      sites_(fleet.sites.size()),
      site_offers_(fleet.sites.size()),
      paces_(fleet.offers.size()),
      others_(fleet.sites.size()),
      others_waits_(fleet.offers.size()) {
  fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    const fleet::Site& site = fleet.sites[offer.site];
    const fleet::Link link =
        offer.site.value() < fleet.links.size() ? fleet.links[offer.site.value()] : fleet::Link{};
    Terms& terms = terms_[id.value()];
    terms.site = offer.site;
    terms.slots = std::max(site.slots, 1);
    terms.fixed =
        unsigned_of(link.round_trip.count()) + unsigned_of(offer.profile.first_token.count());
    const auto bits = static_cast<std::uint64_t>(std::max<std::int64_t>(link.bits_per_second, 1));
    terms.per_byte = saturated(
        (static_cast<unsigned __int128>(8 * kNanosPerSecond) << kFractionBits) / bits, kPerByteMax);
    terms.prefill = reciprocal(offer.profile.prefill_tokens_per_second, kPrefillMax);
    const std::uint64_t most = kDecodeMax << kFractionBits;
    const std::uint64_t alone = reciprocal(offer.profile.decode_tokens_per_second, most);
    const std::int64_t full_rate = offer.profile.decode_tokens_per_second_full;
    const std::uint64_t full = full_rate > 0 ? reciprocal(full_rate, most) : 2 * alone;
    terms.decode_alone = alone >> kFractionBits;
    terms.decode_full =
        terms.slots == 1 ? terms.decode_alone : std::max(full, alone) >> kFractionBits;
    site_offers_[offer.site.value()].push_back(id);
  });
  for (std::size_t i = 0; i < terms_.size(); ++i) refresh(OfferId(i));
}

const LoadBook::Load& LoadBook::of(OfferId offer) const {
  HANSE_CHECK(offer.value() < loads_.size());
  return loads_[offer.value()];
}

std::int64_t LoadBook::prefill_work(OfferId offer, const Prediction& prediction) const {
  const std::uint64_t tokens = unsigned_of((prediction.prompt - prediction.cached).count());
  return static_cast<std::int64_t>(saturated(
      (static_cast<unsigned __int128>(tokens) * terms_[offer.value()].prefill) >> kFractionBits,
      kWaitMax >> 16U));
}

std::int64_t LoadBook::decode_work(OfferId offer, const Prediction& prediction) const {
  return static_cast<std::int64_t>(
      saturated(static_cast<unsigned __int128>(unsigned_of(prediction.output.count())) *
                    terms_[offer.value()].decode_full,
                kWaitMax >> 16U));
}

void LoadBook::started(OfferId offer, const Prediction& prediction) {
  HANSE_CHECK(offer.value() < loads_.size());
  HANSE_CHECK(prediction.sequences > 0);
  Load& load = loads_[offer.value()];
  load.sequences += prediction.sequences;
  load.prefilling += 1;
  load.outstanding_tokens += prediction.prompt + prediction.output;

  SiteLoad& site = sites_[terms_[offer.value()].site.value()];
  site.sequences += prediction.sequences;
  site.prefill_work += prefill_work(offer, prediction);
  site.decode_work += decode_work(offer, prediction);
  refresh_site(terms_[offer.value()].site);
}

void LoadBook::prefilled(OfferId offer, const Prediction& prediction) {
  Load& load = loads_[offer.value()];
  load.prefilling -= 1;
  HANSE_CHECK(load.prefilling >= 0);
  sites_[terms_[offer.value()].site.value()].prefill_work -= prefill_work(offer, prediction);
}

void LoadBook::learn_spread(Load& load, Duration measured, Duration foretold) {
  constexpr std::int64_t kSpreadWeight = 4;
  const Duration error =
      std::min(measured > foretold ? measured - foretold : foretold - measured, kSpreadMost);
  if (!std::exchange(load.spread_is_measured, true)) {
    load.first_token_spread = std::min(std::max(error, measured / 2), kSpreadMost);
  } else {
    load.first_token_spread =
        load.first_token_spread + (error - load.first_token_spread) / kSpreadWeight;
  }
}

void LoadBook::first_token(OfferId offer, const Prediction& prediction, Duration waited,
                           MonotonicTime now) {
  HANSE_CHECK(offer.value() < loads_.size());
  prefilled(offer, prediction);
  Load& load = loads_[offer.value()];
  if (prediction.others_wait <= prediction.promised_first_token) {
    load.first_token_correction = learn(load.first_token_correction, waited,
                                        prediction.promised_first_token + prediction.others_wait);
    learn_spread(load, waited, prediction.first_token);
    load.measured_at = now;
  }
  refresh_site(terms_[offer.value()].site);
}

void LoadBook::ended(OfferId offer, const Prediction& prediction, const Ending& ending,
                     MonotonicTime now) {
  HANSE_CHECK(offer.value() < loads_.size());
  if (!ending.had_first_token) prefilled(offer, prediction);
  Load& load = loads_[offer.value()];
  if (ending.silent_for) {
    learn_spread(load, *ending.silent_for, prediction.first_token);
    load.measured_at = now;
  }
  load.sequences -= prediction.sequences;
  load.outstanding_tokens -= prediction.prompt + prediction.output;
  HANSE_CHECK(load.sequences >= 0);
  // n tokens of one sequence have n - 1 gaps between them.
  const std::int64_t gaps = ending.output.count() / prediction.sequences - 1;
  const Duration read = ending.decoding - ending.paused;
  if (ending.had_first_token && gaps > 0 && read >= ending.paused) {
    load.per_token_correction =
        learn(load.per_token_correction, read / gaps, prediction.promised_per_token);
    load.measured_at = now;
  }

  SiteLoad& site = sites_[terms_[offer.value()].site.value()];
  site.sequences -= prediction.sequences;
  site.decode_work -= decode_work(offer, prediction);
  refresh_site(terms_[offer.value()].site);
}

void LoadBook::adopt(OfferId offer, const Load& known) {
  HANSE_CHECK(offer.value() < loads_.size());
  Load& load = loads_[offer.value()];
  load.first_token_correction = known.first_token_correction;
  load.per_token_correction = known.per_token_correction;
  load.first_token_spread = known.first_token_spread;
  load.spread_is_measured = known.spread_is_measured;
  load.measured_at = known.measured_at;
  refresh(offer);
}

void LoadBook::relax(MonotonicTime now) {
  const std::size_t visits = std::min(kRelaxedPerCall, loads_.size());
  for (std::size_t i = 0; i < visits; ++i) {
    relaxed_next_ = relaxed_next_ + 1 < loads_.size() ? relaxed_next_ + 1 : 0;
    Load& load = loads_[relaxed_next_];
    if (load.first_token_correction == kOne && load.per_token_correction == kOne &&
        load.first_token_spread == kSpreadUnknown) {
      continue;
    }
    if (elapsed(load.measured_at, now) < kRelaxesAfter) continue;
    load.first_token_correction = kOne + (load.first_token_correction - kOne) / 2;
    load.per_token_correction = kOne + (load.per_token_correction - kOne) / 2;
    load.first_token_spread = kSpreadUnknown + (load.first_token_spread - kSpreadUnknown) / 2;
    load.measured_at = now;
    refresh(OfferId(relaxed_next_));
  }
}

Pace LoadBook::promise(OfferId offer) const {
  HANSE_CHECK(offer.value() < terms_.size());
  const Terms& terms = terms_[offer.value()];
  const SiteLoad& site = sites_[terms.site.value()];
  Pace promise;
  promise.wait = terms.fixed + unsigned_of(site.prefill_work);
  if (site.sequences >= terms.slots) {
    promise.wait =
        saturated(promise.wait + wait_for_slot(site.sequences - terms.slots + 1, terms.slots,
                                               site.sequences, unsigned_of(site.decode_work)),
                  kWaitMax);
  }
  promise.per_byte = terms.per_byte;
  promise.prefill = terms.prefill;
  promise.decode = terms.decode_alone;
  if (terms.slots > 1) {
    const auto beside = static_cast<std::uint64_t>(std::min(site.sequences, terms.slots - 1));
    promise.decode += (terms.decode_full - terms.decode_alone) * beside /
                      static_cast<std::uint64_t>(terms.slots - 1);
  }
  return promise;
}

std::uint64_t LoadBook::wait_for_slot(std::int64_t behind, std::int64_t slots,
                                      std::int64_t sequences, std::uint64_t work) {
  // The mean sequence takes work / sequences; slots come free that often,
  // `slots` times over, and those before us take the first of them.
  return saturated(
      static_cast<unsigned __int128>(behind) * work /
          (static_cast<unsigned __int128>(sequences) * static_cast<unsigned __int128>(slots)),
      kWaitMax);
}

std::uint64_t LoadBook::wait_for_others(OfferId offer) const {
  const Terms& terms = terms_[offer.value()];
  const OthersWork& work = others_[terms.site.value()];
  if (work.weight_ppm == 0) return 0;
  const SiteLoad& site = sites_[terms.site.value()];
  const std::int64_t believed = std::int64_t{terms.slots} * kOthersPerSlot;
  const std::int64_t others = std::min<std::int64_t>(work.sequences, believed);
  const std::int64_t waiting = std::min<std::int64_t>(work.waiting, believed);
  const std::int64_t ours = site.sequences;
  const std::int64_t sequences = std::max<std::int64_t>(ours + others, 1);

  const bool has_queue = waiting > 0 || !work.has_room;
  const std::int64_t running = std::max<std::int64_t>(sequences - waiting, 1);
  const std::int64_t slots =
      has_queue ? std::min<std::int64_t>(terms.slots, running) : std::int64_t{terms.slots};
  const std::int64_t behind =
      std::max(ours + others - slots + 1, has_queue ? waiting + 1 : std::int64_t{0});
  if (behind <= 0) return 0;

  const auto one = static_cast<std::uint64_t>(kOthersOutput) * terms.decode_full;
  const std::uint64_t work_of_ours = unsigned_of(site.decode_work);
  const std::uint64_t mean = ours > 0 ? work_of_ours / static_cast<std::uint64_t>(ours) : one;
  const std::uint64_t with = wait_for_slot(behind, slots, 1, mean);
  const std::uint64_t without =
      ours >= terms.slots ? wait_for_slot(ours - terms.slots + 1, terms.slots, ours, work_of_ours)
                          : 0;
  if (with <= without) return 0;
  const std::uint64_t added = std::min(with - without, unsigned_of(kOthersWaitMost.count()));
  // Below 2^35 ns times 2^20.
  return added * static_cast<std::uint64_t>(work.weight_ppm) / 1'000'000;
}

void LoadBook::heed(SiteId site, const OthersWork& work) {
  if (others_[site.value()] == work) return;
  others_[site.value()] = work;
  refresh_site(site);
}

void LoadBook::refresh_site(SiteId site) {
  for (const OfferId offer : site_offers_[site.value()]) refresh(offer);
}

Pace LoadBook::idle_pace(OfferId offer) const {
  HANSE_CHECK(offer.value() < terms_.size());
  const Terms& terms = terms_[offer.value()];
  return in_truth(offer, {.wait = terms.fixed,
                          .per_byte = terms.per_byte,
                          .prefill = terms.prefill,
                          .decode = terms.decode_alone});
}

Pace LoadBook::in_truth(OfferId offer, const Pace& promised) const {
  const Load& load = loads_[offer.value()];
  Pace pace;
  pace.wait = corrected(promised.wait, load.first_token_correction, kWaitMax);
  pace.per_byte = corrected(promised.per_byte, load.first_token_correction, kPerByteMax);
  pace.prefill = corrected(promised.prefill, load.first_token_correction, kPrefillMax);
  pace.decode = corrected(promised.decode, load.per_token_correction, kDecodeMax);
  return pace;
}

void LoadBook::refresh(OfferId offer) {
  Pace& pace = paces_[offer.value()];
  pace = in_truth(offer, promise(offer));
  others_waits_[offer.value()] = wait_for_others(offer);
  pace.wait += others_waits_[offer.value()];
}

}  // namespace hanse::placement
