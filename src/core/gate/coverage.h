// src/core/gate/coverage.h
// What a set of rules does to a fleet as a whole, for those who write them:
// rules without effect, rules that nothing can satisfy, sites that nobody may
// use. The configuration's validation turns them into warnings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/gate/labels.h"
#include "core/gate/policy.h"

namespace hanse::gate {

// A tenant as the gate sees it: its policy and the fewest labels that its
// requests can carry, which is its default or, where a key of it may relax, no
// label at all. Every complete set with at least those can be carried too,
// because a header may add any word.
struct Bearer {
  PolicyId policy;
  LabelSet least;
  PriceBookId price_book = PriceBookId();  // not valid: nothing is sold to it
};

struct RuleFinding {
  enum class Kind : std::uint8_t {
    policy_unused,         // no tenant has its policy
    never_applies,         // no request that a tenant of its policy can send meets its `when`
    says_nothing,          // it has no clause, so it refuses nothing
    satisfied_by_no_site,  // when it applies, it refuses every site in service, now and later
    denies_no_site,        // it only denies, and what it denies is no site in service
  };

  Kind kind = Kind::policy_unused;
  PolicyId policy;
  std::size_t rule = 0;  // its position in the policy
};

std::string_view to_string(RuleFinding::Kind kind);

// The rules that are dead in one of these ways, the first that fits, in order
// of policy and rule; a policy that is not used is told once, by its first rule.
//
// Exact: adding labels never makes a rule apply less, so a rule applies to some
// request of a tenant exactly when it applies to the one with all words; and a
// site's certificates begin and end at known instants, so that looking at each
// of them is looking at all times from `now` on.
std::vector<RuleFinding> dead_rules(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                    const Policies& policies, const LabelVocabulary& vocabulary,
                                    std::span<const Bearer> bearers, WallTime now);

// The sites in service that the rules of no bearer permit, now or later,
// whatever labels its requests carry. Exact for the same reasons: the request
// with the fewest labels is refused by the fewest rules.
std::vector<SiteId> unusable_sites(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                   const Policies& policies, const LabelVocabulary& vocabulary,
                                   std::span<const Bearer> bearers, WallTime now);

// The sites in service that the rules of some bearer permit, but that serve
// nothing sold to any of those: no alias in their price books may be answered
// by a variant that the site offers.
std::vector<SiteId> unsold_sites(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                 const Policies& policies, const LabelVocabulary& vocabulary,
                                 std::span<const Bearer> bearers, WallTime now);

}  // namespace hanse::gate
