// src/core/gate/gate.h
// May this request run there?
//
// The gate answers for every site with a permit, or with all rules that
// refuse it and the facts they used. Live, only the set of permitted sites is
// computed, from bit sets made once per snapshot; the reasons are worked out
// from the same snapshot when somebody asks. A property test holds the two
// against each other.
//
// Whatever is not known refuses: a place, a home, who controls an operator, the
// end of a certificate, a chip, a policy.
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
  PolicyId policy;  // not valid: nothing is permitted
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

// Where the gate itself refuses, without a rule of the tenant's.
inline constexpr std::string_view kRuleInService = "gate:in-service";
inline constexpr std::string_view kRulePolicy = "gate:policy";

// One clause of one rule that refuses a site.
struct Refusal {
  std::string rule;
  std::string requirement;         // "the site may not be reached by the law of US or CN"
  std::vector<std::string> facts;  // the facts that decided it, a sentence each

  bool operator==(const Refusal&) const = default;
};

struct Verdict {
  SiteId site;
  bool permitted = false;
  std::vector<Refusal> refusals;  // empty when permitted
};

class Gate {
 public:
  // Requires: the four outlive the gate and do not change.
  Gate(const catalog::Catalog& catalog, const fleet::Fleet& fleet, const Policies& policies,
       const LabelVocabulary& vocabulary);

  // Writes the sites where `question` may run at `now` into `permitted`.
  // Allocates nothing once `permitted` has been used.
  void permitted_sites(const Question& question, WallTime now, BitSet& permitted);

  // Asked again before every attempt.
  std::optional<Permit> permit(const Question& question, SiteId site, WallTime now);

  // All sites with all reasons, in order of site.
  [[nodiscard]] std::vector<Verdict> explain(const Question& question, WallTime now) const;
  // One site. Requires: `site` is in the fleet.
  [[nodiscard]] Verdict explain(const Question& question, SiteId site, WallTime now) const;

 private:
  // Which sites keep one rule.
  struct CompiledRule {
    Condition when;
    BitSet steady;                          // by all clauses that time does not change
    std::vector<std::size_t> certificates;  // positions in certificates_ of the others
    BitSet kept;                            // by all, in the window compiled for
  };
  // Which sites hold a certificate that a rule asks for.
  struct Holding {
    SiteId site;
    WallTime from;
    WallTime until;
  };
  struct CompiledCertificate {
    std::string name;
    std::vector<Holding> holdings;
    BitSet holders;  // in the window compiled for
  };

  [[nodiscard]] CompiledRule compile(const Rule& rule, const std::vector<fleet::ReachSet>& reach);
  std::size_t certificate(const std::string& name);
  // Makes the sets right for `now`.
  void prepare(WallTime now);
  void refresh(WallTime now);

  const catalog::Catalog& catalog_;
  const fleet::Fleet& fleet_;
  const Policies& policies_;
  const LabelVocabulary& vocabulary_;
  std::vector<std::vector<CompiledRule>> compiled_;  // by policy
  std::vector<CompiledCertificate> certificates_;
  BitSet serving_;  // sites that are not retired
  BitSet nowhere_;
  // Certificates begin and end: the instants at which one does, rising. The
  // sets hold within [compiled_from_, compiled_until_), between two of them.
  std::vector<WallTime> boundaries_;
  WallTime compiled_from_;
  WallTime compiled_until_;
};

}  // namespace hanse::gate
