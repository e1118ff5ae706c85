// src/core/fleet/sign_book.h
// What engines say of themselves: how much they work on, how much waits inside
// them, how full their KV cache is. Passive signs, for nothing is asked of the
// model.
//
// A site may serve others than us, whom no accounting of ours sees; its own
// numbers do. But they are old when they come, and they may be wrong. So a sign
// counts wholly while it is fresh, then less and less, and nothing after
// kGone; and it only ever makes a site look busier (placement::LoadBook): no
// circuit hears of it.
//
// Which of the work is not ours is worked out when the sign comes. Attempts go
// to and fro while a question is under way, so the most that we had there since
// it was asked counts as ours: work of ours is rather seen as nobody's than as
// somebody else's.
//
// Weights change in steps, so that a decision need not reckon with time: a sign
// counts through each step as it does at the end of it.
//
// Plain state by line, bounded by the number of sites there have been.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bitset.h"
#include "base/time.h"
#include "core/fleet/site_line.h"

namespace hanse::fleet {

struct Sign {
  std::int32_t running = 0;                     // sequences that it works on
  std::int32_t waiting = 0;                     // that wait inside it
  std::optional<std::int32_t> kv_use_ppm = {};  // of its KV cache; nothing: it does not say

  bool operator==(const Sign&) const = default;
};

class SignBook {
 public:
  static constexpr Duration kFresh = seconds(2);  // counts wholly until then
  static constexpr Duration kGone = seconds(10);  // and not at all from then on
  static constexpr Duration kStep = seconds(1);
  static constexpr std::int32_t kWhole = 1'000'000;  // weights are in millionths
  static constexpr std::int32_t kFullPpm = 950'000;  // such a KV cache has no room
  // What no engine works on, or has waiting.
  static constexpr std::int32_t kSequencesMax = 1'000'000;

  struct Told {
    Sign sign;
    std::int32_t others = 0;  // of the sequences there, those that are not ours
    std::int32_t untold = 0;  // of ours, those that it does not tell of
    MonotonicTime asked_at;
    MonotonicTime at;
    std::int32_t weight = 0;

    [[nodiscard]] bool kv_is_full() const { return sign.kv_use_ppm.value_or(0) >= kFullPpm; }
  };

  // What a sign of this age counts.
  static std::int32_t weight(Duration age);

  // `site` is asked for its sign, with so many sequences of ours there.
  void asked(SiteLine site, std::int32_t ours, MonotonicTime now);
  // It has come. Numbers that cannot be are brought within reason.
  void measured(SiteLine site, const Sign& sign, std::int32_t ours, MonotonicTime now);

  // The last sign of `site`; null when it has none that counts.
  [[nodiscard]] const Told* of(SiteLine site) const {
    const bool is_told = site.value() < lines_.size() && told_.contains(site.value());
    return is_told ? &lines_[site.value()].told : nullptr;
  }
  template <typename Visit>
  void for_each(Visit&& visit) const {
    told_.for_each([&](std::size_t i) { visit(SiteLine(i)); });
  }

  // Whether weights have to change before anything is decided.
  [[nodiscard]] bool is_due(MonotonicTime now) const { return now >= due_; }
  // Changes them; calls `visit` for each site whose sign counts less by now.
  template <typename Visit>
  void fade(MonotonicTime now, Visit&& visit) {
    due_ = now + kStep;
    told_.for_each([&](std::size_t i) {
      if (fade(SiteLine(i), now)) visit(SiteLine(i));
    });
  }

 private:
  struct Line {
    std::int32_t ours_when_asked = 0;
    MonotonicTime asked_at;
    Told told;
  };

  Line& line(SiteLine site);
  // Whether its weight has changed.
  bool fade(SiteLine site, MonotonicTime now);

  std::vector<Line> lines_;
  BitSet told_;  // those whose sign counts
  MonotonicTime due_;
};

}  // namespace hanse::fleet
