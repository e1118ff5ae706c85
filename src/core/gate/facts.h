// src/core/gate/facts.h
// Whether a site keeps a clause, and which facts say so: the slow and
// explaining way, for records and for people. The gate's bit sets are the
// fast way to the same answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/gate/policy.h"

namespace hanse::gate {

// A site with what is known of it at an instant.
struct SiteFacts {
  const catalog::Catalog& catalog;
  const fleet::Fleet& fleet;
  SiteId site;
  fleet::ReachSet reach;
  WallTime now;
};

// The facts by which the site breaks `clause`, a sentence each; nothing when
// it keeps it. A fact that is missing is such a fact.
std::optional<std::vector<std::string>> breaches(const SiteFacts& facts, const Clause& clause);

// "the site may not be reached by the law of US or CN".
std::string requirement(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                        const Clause& clause);

}  // namespace hanse::gate
