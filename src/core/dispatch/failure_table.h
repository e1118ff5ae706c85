// src/core/dispatch/failure_table.h
// What follows from each way in which an attempt can fail: the one table that
// dispatch acts by. docs/reliability.md shows it to people.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/answer/failure.h"

namespace hanse::dispatch {

// Whether the same site may be asked again by the same request.
enum class Again : std::uint8_t {
  no,
  once,        // after a short pause, and only when no other site is left
  when_asked,  // after the time that it asked for, if that is short
};

// Whether another site may do better.
enum class Elsewhere : std::uint8_t {
  yes,
  longer_context,  // only one whose variant has a longer context
  no,              // every site would say the same
};

// What it says of the site to all other requests.
enum class Blame : std::uint8_t {
  none,         // it has answered
  nothing,      // it tells nothing: neither good nor bad
  soft,         // several in a row and it is left alone for a while
  hard,         // it is left alone for a while at once
  turned_away,  // likewise, and no probe can see when it is over
  busy,         // it is left alone for as long as it asks
  no_model,     // it is not asked for this variant for a while
};

struct FailureRow {
  answer::Failure failure = answer::Failure::none;
  Again again = Again::no;
  Elsewhere elsewhere = Elsewhere::yes;
  Blame blame = Blame::none;
  bool alarms = false;  // the operator: only a person can mend it
};

const FailureRow& row_of(answer::Failure failure);
// In the order of the enumeration.
std::span<const FailureRow> failure_table();

std::string_view to_string(Again again);
std::string_view to_string(Elsewhere elsewhere);
std::string_view to_string(Blame blame);

}  // namespace hanse::dispatch
