// src/core/dispatch/outlook.h
// What the loss of some sites would mean, before it happens: for each tenant,
// each alias sold to it and each kind of data, who still has a lawful route,
// at what price, and who must be refused by which rules.
//
// It asks the production gate; speed, load and health do not count here. Pure:
// nothing is touched.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/dispatch/snapshot.h"
#include "core/gate/labels.h"

namespace hanse::dispatch {

// A rule that refuses sites which are left.
struct Refusing {
  std::string rule;
  std::vector<SiteId> sites;

  bool operator==(const Refusing&) const = default;
};

struct Outlook {
  enum class Change : std::uint8_t {
    none,            // loses no route
    fewer_routes,    // the cheapest is left
    dearer,          // what is left costs more
    refused,         // no lawful route is left
    refused_before,  // there was none before either
  };

  TenantId tenant;
  AliasId alias;
  gate::LabelSet labels;
  bool is_default = false;  // the tenant's own labels
  // The cheapest offer at each permitted site, in order of price, then of id.
  std::vector<OfferId> before;
  std::vector<OfferId> after;
  Change change = Change::none;
  // Of refused ones: why not at the sites that are left and offer the alias.
  std::vector<Refusing> refusing;
};

std::string_view to_string(Outlook::Change change);

// What a million tokens cost at `prices`, three of the prompt to one of the
// output: a common mix, by which routes are compared here.
Money price_of_a_million(const TokenPrices& prices);

// In order of tenant, alias and gate::telling_labels(); those of a key that may
// relax begin with no label.
// Requires: `lost` is as large as the fleet.
std::vector<Outlook> outlooks_without(const Snapshot& snapshot, const BitSet& lost, WallTime now);

}  // namespace hanse::dispatch
