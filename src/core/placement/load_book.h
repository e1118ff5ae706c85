// src/core/placement/load_book.h
// What is under way at each offer, how its measured speed compares with what
// its profile promised, and what both mean for the next request: local
// accounting, told by dispatch.
//
// The model, in integers only:
//
//   time to first token = correction x (round trip + upload + fixed part
//       + prompts before it + its own prompt + wait for a slot)
//   time per token      = correction x (alone + slope x (sequences beside it))
//
// * Upload is bytes over the link's bandwidth.
// * The engine computes prompts one after another, so a prompt waits for all
//   those whose first token has not come.
// * A site works on `slots` sequences. Past that, slots come free at the rate
//   at which the sequences under way end.
// * With all slots busy a sequence decodes at the profile's
//   `decode_tokens_per_second_full`, or at half its speed alone when that is
//   not known; between the two the time per token grows evenly.
// * Time in which the client took nothing is no time of the site's. It may have
//   gone on writing meanwhile, so what is left is at least half of the whole,
//   or the attempt teaches nothing of the time per token.
// * A correction is measured over promised time, an exponential mean over the
//   last attempts (weight 1/8), between 1/16 and 16. Where nothing is measured
//   for a while it relaxes to 1, so that one bad hour does not bar a site for
//   ever.
//
// An engine may work for others too, and tells how much (OthersWork). It is
// taken to be work like ours: the mean of what is under way there, or
// kOthersOutput tokens each. What it adds to the wait for a slot,
//
//   others' wait = weight x (wait with them - wait without), at most kOthersWaitMost
//
// is added to the time to the first token, uncorrected. An engine in which
// something waits, or whose KV cache is full, has as many slots as it is working
// on, and none of them free. Others only ever add, and no more of them are
// believed in than we would send there ourselves: a number that lies must not
// bar a site. For the same reason an attempt that waited mostly for others, as
// foretold, teaches nothing.
//
// Beside the mean error there is the spread: how far the time to the first token
// was from what was foretold, a mean over the last attempts (weight 1/4) of the
// absolute difference, as TCP does it for its retransmissions (RFC 6298): the
// first measurement counts in full, and half of it is taken for granted. Where
// nothing has been measured it is kSpreadUnknown: a site that nobody knows may
// just be waking up. An attempt that was given up
// in silence counts as if its token had come in that moment, so that a limit
// that was too short grows.
//
// All that does not depend on the request is worked out when the load
// changes, so a decision only multiplies and adds: see paces().
//
// Plain state, bounded by the number of offers; one book belongs to one shard.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "core/fleet/fleet.h"
#include "core/placement/demand.h"

namespace hanse::placement {

// Fixed point with 16 fraction bits.
inline constexpr unsigned kFractionBits = 16;
inline constexpr std::int64_t kOne = std::int64_t{1} << kFractionBits;

// Of a site that has not been measured, or not for long, and the most.
inline constexpr Duration kSpreadUnknown = milliseconds(1'250);
inline constexpr Duration kSpreadMost = seconds(10);

// Of work that is not ours: what nobody knows, and the most that is believed.
inline constexpr std::int64_t kOthersOutput = 256;  // tokens of a sequence
inline constexpr std::int32_t kOthersPerSlot = 17;  // sequences
inline constexpr Duration kOthersWaitMost = seconds(30);

// What a request would meet at an offer. Bounds keep a sum of products within
// 62 bits, see load_book.cpp.
struct Pace {
  std::uint64_t wait = 0;      // ns before its own prompt is begun
  std::uint64_t per_byte = 0;  // ns per byte of upload, fixed point
  std::uint64_t prefill = 0;   // ns per prompt token, fixed point
  std::uint64_t decode = 0;    // ns per output token
};

// What an engine has told of itself.
struct OthersWork {
  std::int32_t sequences = 0;   // there, but not ours; those that wait among them
  std::int32_t waiting = 0;     // of all that are there, those that wait inside it
  bool has_room = true;         // in its KV cache
  std::int32_t weight_ppm = 0;  // zero: it is too old to count
  MonotonicTime told_at = {};

  bool operator==(const OthersWork&) const = default;
};

// How an attempt ended.
struct Ending {
  bool had_first_token = false;
  Tokens output{0};      // of all its sequences; zero teaches nothing
  Duration decoding{0};  // from its first token to its last
  // Of that, how long the site was not read from, for the client took nothing.
  // Not negative, and no longer.
  Duration paused{0};
  // How long it was waited for the first token, when it was given up for that.
  std::optional<Duration> silent_for = {};
};

class LoadBook {
 public:
  explicit LoadBook(const fleet::Fleet& fleet);

  // An attempt with this prediction was sent to `offer`.
  void started(OfferId offer, const Prediction& prediction);
  // Its first token came `waited` after it was sent; corrects the offer's
  // prediction of first tokens.
  void first_token(OfferId offer, const Prediction& prediction, Duration waited, MonotonicTime now);
  // It ended, well or not.
  void ended(OfferId offer, const Prediction& prediction, const Ending& ending, MonotonicTime now);

  struct Load {
    std::int32_t sequences = 0;    // under way
    std::int32_t prefilling = 0;   // of them, those whose first token has not come
    Tokens outstanding_tokens{0};  // prompt and expected output of all under way
    // Measured over promised, in 1/65,536: 65,536 says as promised.
    std::int64_t first_token_correction = kOne;
    std::int64_t per_token_correction = kOne;
    Duration first_token_spread = kSpreadUnknown;
    bool spread_is_measured = false;
    MonotonicTime measured_at;
  };
  [[nodiscard]] const Load& of(OfferId offer) const;

  // For a new snapshot: the corrections known of an offer that is still there.
  // What is under way stays in the book it was started in.
  void adopt(OfferId offer, const Load& known);

  // What is known of others' work at `site`, from now on.
  void heed(SiteId site, const OthersWork& work);
  [[nodiscard]] const OthersWork& others_at(SiteId site) const { return others_[site.value()]; }
  // What that adds to the time to the first token at `offer`.
  [[nodiscard]] Duration others_wait(OfferId offer) const {
    return Duration(static_cast<std::int64_t>(others_waits_[offer.value()]));
  }
  // Our sequences under way at `site`.
  [[nodiscard]] std::int32_t sequences_at(SiteId site) const {
    return sites_[site.value()].sequences;
  }

  // Lets some corrections relax; cheap, called with every decision.
  void relax(MonotonicTime now);

  // Of all offers as things stand and corrected, indexed by OfferId; valid
  // until the book changes.
  [[nodiscard]] std::span<const Pace> paces() const { return paces_; }
  // Of one offer, as promised: without the corrections, and without others' work.
  [[nodiscard]] Pace promise(OfferId offer) const;

  // Of one offer if nothing were under way there, corrected.
  [[nodiscard]] Pace idle_pace(OfferId offer) const;

  [[nodiscard]] std::span<const OfferId> offers_at(SiteId site) const {
    return site_offers_[site.value()];
  }

 private:
  // What all offers of one site share.
  struct SiteLoad {
    std::int32_t sequences = 0;
    std::int64_t prefill_work = 0;  // ns of prompts whose first token has not come
    std::int64_t decode_work = 0;   // ns of expected output of all under way, slots full
  };
  // The terms of an offer that only the snapshot decides.
  struct Terms {
    SiteId site;
    std::int32_t slots = 1;
    std::uint64_t fixed = 0;     // ns: round trip and the fixed part of the profile
    std::uint64_t per_byte = 0;  // fixed point
    std::uint64_t prefill = 0;   // fixed point
    std::uint64_t decode_alone = 0;
    std::uint64_t decode_full = 0;
  };

  [[nodiscard]] std::int64_t prefill_work(OfferId offer, const Prediction& prediction) const;
  [[nodiscard]] std::int64_t decode_work(OfferId offer, const Prediction& prediction) const;
  // ns until a slot is free, with `sequences` under way that take `work` in all.
  [[nodiscard]] static std::uint64_t wait_for_slot(std::int64_t behind, std::int64_t slots,
                                                   std::int64_t sequences, std::uint64_t work);
  [[nodiscard]] std::uint64_t wait_for_others(OfferId offer) const;
  void prefilled(OfferId offer, const Prediction& prediction);
  static void learn_spread(Load& load, Duration measured, Duration foretold);
  void refresh_site(SiteId site);
  // Corrected by what was measured of the offer.
  [[nodiscard]] Pace in_truth(OfferId offer, const Pace& promised) const;
  void refresh(OfferId offer);

  std::vector<Terms> terms_;                       // indexed by OfferId
  std::vector<Load> loads_;                        // indexed by OfferId
  std::vector<SiteLoad> sites_;                    // indexed by SiteId
  std::vector<std::vector<OfferId>> site_offers_;  // indexed by SiteId
  std::vector<Pace> paces_;                        // indexed by OfferId
  std::vector<OthersWork> others_;                 // indexed by SiteId
  std::vector<std::uint64_t> others_waits_;        // ns, indexed by OfferId
  std::size_t relaxed_next_ = 0;
};

}  // namespace hanse::placement
