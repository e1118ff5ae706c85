// src/core/gate/policy.h
// A tenant's rules: named, and each total. A rule speaks about the requests
// its `when` matches and refuses every site that breaks one of its clauses,
// or for which the fact a clause needs is not known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/table.h"
#include "core/fleet/country.h"
#include "core/gate/labels.h"

namespace hanse::gate {

// Which requests a rule speaks about: those that carry, in every dimension
// given, one of its labels. Data of a class whose subjects are not named is
// data of unknown subjects and matches any subject. An empty condition
// matches every request.
struct Condition {
  LabelSet data;
  LabelSet subjects;
  LabelSet categories;
};

struct Clause {
  enum class Kind : std::uint8_t {
    require_place,        // the machines stand in one of `codes`
    deny_place,           // they stand in none of `codes`
    require_reach,        // no legal system but `codes` reaches the site
    deny_reach,           // none of `codes` reaches the site
    require_certificate,  // holds `certificate`, in force now
    require_chip,         // its chip is one of `chips`
    deny_chip,
    require_supplier,     // its supplier is one of `suppliers`
    deny_supplier,
  };

  Kind kind = Kind::require_place;
  std::vector<fleet::Code> codes;  // areas already spelled out; sorted
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

// Whether `rule` speaks about a request that carries `labels`.
bool applies(const Condition& when, LabelSet labels, const LabelVocabulary& vocabulary);

}  // namespace hanse::gate
