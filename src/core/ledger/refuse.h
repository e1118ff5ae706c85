// src/core/ledger/refuse.h
// A refusal of the ledger: whoever wrote the entry is at fault, never the
// client, and the same entry is refused again.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace hanse::ledger {

inline std::unexpected<Error> refuse(ErrorCode code, std::string message) {
  return fail({code, Fault::us, Retry::no, std::move(message)});
}

}  // namespace hanse::ledger
