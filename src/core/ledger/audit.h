// src/core/ledger/audit.h
// The check that needs nothing but the journal: every entry is applied to a
// ledger that trusts nobody. So every request and attempt is posted once, every
// amount is its tokens at its prices, every seal says what the entries say, and
// all debits equal all credits; the source checks the chain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ledger/entry_stream.h"
#include "core/ledger/ledger.h"

namespace hanse::ledger {

struct CurrencyTotal {
  Currency currency;
  Sum debits = 0;
  Sum credits = 0;
};

struct AuditReport {
  // What went wrong first, and at which entry. Nothing when all is well.
  struct Fault {
    Position position;
    std::string what;
  };
  std::optional<Fault> fault;

  // Entries from `begins_at` (exclusive) to `last` were read. When it is not
  // zero, the books before are taken from a seal and were not checked.
  Position begins_at;
  Position last;
  std::int64_t epochs = 0;
  std::int64_t seals = 0;
  std::int64_t requests_charged = 0;
  std::int64_t requests_released = 0;
  std::int64_t requests_refused = 0;  // before anything was set aside
  std::int64_t requests_lost = 0;
  std::int64_t requests_open = 0;
  std::int64_t attempts_paid = 0;
  std::int64_t attempts_lost = 0;
  std::int64_t attempts_open = 0;
  std::int64_t postings = 0;
  std::vector<CurrencyTotal> totals;
};

// Reads `source` to its end, or to the first fault. `ledger`, which must be
// new, is left in the state that the entries give.
AuditReport audit(EntrySource& source, Ledger& ledger);

}  // namespace hanse::ledger
