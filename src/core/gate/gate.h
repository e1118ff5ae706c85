// src/core/gate/gate.h
// May this request run there?
//
// The gate answers for every site with a permit, or with all rules that
// refuse it and the facts they used. Live, only the set of permitted sites is
// computed, from bit sets made once per snapshot; the reasons are recomputed
// from the same snapshot when somebody asks. A property test holds the two
// against each other.
//
// Plain state: no I/O, no clock, no threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "base/time.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/gate/labels.h"
#include "core/gate/policy.h"

namespace hanse::gate {

// What the gate must know of a request.
struct Question {
  PolicyId policy;
  LabelSet labels;
};

// Leave to send one request to one site. Only a Gate makes one, and an
// attempt cannot be built without it.
class Permit {
 public:
  [[nodiscard]] SiteId site() const { return site_; }
  [[nodiscard]] WallTime given_at() const { return given_at_; }

 private:
  friend class Gate;
  Permit(SiteId site, WallTime given_at) : site_(site), given_at_(given_at) {}

  SiteId site_;
  WallTime given_at_;
};

// One clause of one rule that refuses a site.
struct Refusal {
  std::string rule;
  std::string requirement;          // "the site may not be reached by the law of US or CN"
  std::vector<std::string> facts;   // the facts that decided it, a sentence each
};

struct Verdict {
  SiteId site;
  bool permitted = false;
  std::vector<Refusal> refusals;  // empty when permitted
};

class Gate {
 public:
  // Requires: the three outlive the gate.
  Gate(const fleet::Fleet& fleet, const Policies& policies, const LabelVocabulary& vocabulary);

  // Writes the sites where `question` may run at `now` into `permitted`.
  // Allocates nothing once `permitted` has been used.
  void permitted_sites(const Question& question, WallTime now, BitSet& permitted);

  // Asked again before every attempt.
  std::optional<Permit> permit(const Question& question, SiteId site, WallTime now);

  // All sites with all reasons, in order of site.
  [[nodiscard]] std::vector<Verdict> explain(const Question& question, WallTime now) const;

 private:
  // Which sites keep one rule, and until when that may be relied on.
  struct CompiledRule {
    Condition when;
    BitSet kept;
  };

  void compile(WallTime now);

  const fleet::Fleet& fleet_;
  const Policies& policies_;
  const LabelVocabulary& vocabulary_;
  std::vector<std::vector<CompiledRule>> compiled_;  // by policy
  BitSet serving_;                                   // sites that are not retired
  // Certificates begin and end: outside [compiled_from_, compiled_until_) the
  // sets are made anew.
  WallTime compiled_from_;
  WallTime compiled_until_;
};

}  // namespace hanse::gate
