// src/drivers/replay/remains.h
// What a killed gateway leaves behind, and what the next start makes of it.
//
// The journal ends anywhere. The outside has seen what it has seen: clients
// were told that their request is over, sites were asked, tokens have left.
// After the recovery the books must hold all of that and no more: nothing is
// open, accounts balance, what a client was told stands in them, and what has
// left lies between what was confirmed and the watermark.
#pragma once

#include <string>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "core/ledger/entry.h"

namespace hanse::replay {

struct Remains {
  // What the outside has seen of a request whose client was told nothing yet.
  struct Open {
    ledger::RequestNumber request;
    ledger::AttemptNumber attempt{};  // the last that was sent to a site
    Tokens left{0};                   // to the client
    Tokens most{0};                   // that it may be charged for
  };

  std::vector<ledger::Entry> journal;
  std::vector<ledger::RequestNumber> told;  // how they ended
  std::vector<Open> open;
};

struct Recovered {
  std::vector<ledger::Entry> journal;  // from the first entry, with the recovery's own
  std::vector<std::string> complaints;
};

// Opens the journal once more, as the next start does at `at`.
Recovered recover(const Remains& remains, WallTime at);

}  // namespace hanse::replay
