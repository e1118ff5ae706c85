// src/core/gate/policy.h
// A tenant's rules: named, and each total. A rule speaks about the requests
// its `when` matches and refuses every site that breaks one of its clauses,
// or for which the fact a clause needs is not known.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/table.h"
#include "core/fleet/country.h"
#include "core/gate/labels.h"

namespace hanse::gate {

// Which requests a rule speaks about: those that carry, in every dimension
// given, one of its labels. Labels that leave the class or the subjects unnamed
// are `unknown` there and match any class or subject; a category that is not
// named is not there. An empty condition matches every request, also one
// without labels.
struct Condition {
  LabelSet data;
  LabelSet subjects;
  LabelSet categories;
};

struct Clause {
  enum class Kind : std::uint8_t {
    require_place,        // the machines stand in one of `codes`
    deny_place,           // they stand in none of `codes`, nor in a territory of one
    require_reach,        // no legal system but `codes` reaches the site
    deny_reach,           // none of `codes` reaches the site
    require_certificate,  // holds `certificate`, in force now
    require_chip,         // its chip is one of `chips`
    deny_chip,
    require_supplier,  // its supplier is one of `suppliers`
    deny_supplier,
  };

  Kind kind = Kind::require_place;
  std::vector<fleet::Code> codes;  // areas already spelled out, see area_clause()
  std::string area;                // as written, for explanations: "EU"
  std::string certificate;
  std::vector<ChipId> chips;
  std::vector<SupplierId> suppliers;
};

struct Rule {
  std::string name;
  Condition when;
  std::vector<Clause> clauses;  // all must hold
};

struct Policy {
  std::string name;
  std::vector<Rule> rules;
};

using Policies = Table<PolicyId, Policy>;

// A clause of places or legal systems out of the words of a configuration:
// countries and areas. As a legal system an area is that of each of its
// countries; "EU" and "EEA" mean the Union's law too, and where only the law of
// DE may reach a site, that of the Union, which comes with it, may.
// Requires: `kind` is one of places or reach.
// Fails: invalid_input for a word that is neither, with the nearest.
Result<Clause> area_clause(Clause::Kind kind, std::span<const std::string> words);

// Whether a rule speaks about a request that carries `labels`. Over complete
// sets, more labels never make a rule apply less.
bool applies(const Condition& when, LabelSet labels, const LabelVocabulary& vocabulary);
// The same for labels that are complete, which many rules can share.
bool applies_to_complete(const Condition& when, LabelSet labels);

}  // namespace hanse::gate
