// src/core/fleet/site_slots.h
// Slots of sites shared by shards without a lock on the request path.
//
// A site works on so many requests at once and lets so many more wait. Each
// site has one owner, which counts the attempts open there, whichever shard
// they are of; a shard asks for leave before each attempt and gives it back
// at its end. So four slots are never split in half, with one shard at its
// bound and the other idle, and all shards together cannot pass the bound.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "core/fleet/site_line.h"

namespace hanse::fleet {

// The port: how a shard reaches the owners of its sites' slots.
class SiteSlots {
 public:
  virtual ~SiteSlots() = default;

  // The line of the site called `name`, where at most `attempts_max` attempts
  // may be open from now on. Lines survive configuration snapshots by name and
  // are never removed. A bound that is lowered ends nothing: what is open
  // stays, and nothing is added until fewer are.
  // Requires: attempts_max is not negative.
  virtual SiteLine set(std::string_view name, std::int32_t attempts_max) = 0;

  // Another bound for a line that is there, with the same effect.
  // Requires: attempts_max is not negative.
  virtual void bound(SiteLine site, std::int32_t attempts_max) = 0;

  // Leave to have one more attempt open at `site`; false when there is none to
  // be had now, and then `site` is full() too. Never waits: one that must ask
  // over a network answers from what it knows.
  [[nodiscard]] virtual bool take(SiteLine site) = 0;
  // An attempt that had leave has ended, or is not made after all.
  virtual void give_back(SiteLine site) = 0;

  // The sites, by line, that have no room as far as is known here: a decision
  // leaves them out at once. take() has the last word.
  [[nodiscard]] virtual const BitSet& full() const = 0;
};

// The owner of all sites for the shards of one process. Plain state; not for
// several threads.
class SlotOwner final : public SiteSlots {
 public:
  SiteLine set(std::string_view name, std::int32_t attempts_max) override;
  void bound(SiteLine site, std::int32_t attempts_max) override;
  [[nodiscard]] bool take(SiteLine site) override;
  void give_back(SiteLine site) override;
  [[nodiscard]] const BitSet& full() const override { return full_; }

  // Attempts that have leave now, of all shards.
  [[nodiscard]] std::int32_t taken(SiteLine site) const;

 private:
  struct Line {
    std::int32_t attempts_max = 0;
    std::int32_t taken = 0;
  };

  Line& line(SiteLine site);
  void note_room(SiteLine site);

  std::vector<Line> lines_;
  BitSet full_;
  std::map<std::string, SiteLine, std::less<>> by_name_;
};

}  // namespace hanse::fleet
