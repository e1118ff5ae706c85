// src/core/ledger/request_id.h
// Names that are unique by structure, without asking anybody.
//
// A request is (journal, epoch, sequence): the journal's id is random and 128
// bits long, the epoch is raised each time the journal is opened, the sequence
// rises within the epoch. Nothing has to remember the names already given, so
// exactly-once needs no list of closed requests and no time window.
//
// Text form: "req_" and 40 digits of Crockford's base 32 in lower case
// (0-9 a-z without i l o u): 128 bits journal, 24 bits epoch, 48 bits
// sequence, most significant first. Texts of one journal sort as their
// requests do.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/quantity.h"
#include "base/result.h"

namespace hanse::ledger {

// Drawn at random when a journal is made; never reused.
struct JournalId {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const JournalId&) const = default;
};

// 32 hexadecimal digits.
std::string to_string(const JournalId& id);
// Fails: invalid_input for anything else.
Result<JournalId> parse_journal_id(std::string_view text);

// How often a journal has been opened; the first epoch is 1.
using Epoch = Quantity<struct EpochTag>;
inline constexpr Epoch kEpochMax{(std::int64_t{1} << 24) - 1};

// A place among the entries of one journal. The first entry stands at 1;
// "up to position 0" means nothing.
using Position = Quantity<struct PositionTag>;

// A request within its journal, as entries carry it.
struct RequestNumber {
  Epoch epoch;
  std::int64_t sequence = 0;

  auto operator<=>(const RequestNumber&) const = default;
};
inline constexpr std::int64_t kSequenceMax = (std::int64_t{1} << 48) - 1;

// A request anywhere.
struct RequestId {
  JournalId journal;
  RequestNumber number;

  auto operator<=>(const RequestId&) const = default;
};

inline constexpr std::size_t kRequestIdChars = 44;

// Requires: epoch and sequence within their maxima.
std::array<char, kRequestIdChars> to_chars(const RequestId& id);
std::string to_string(const RequestId& id);
// Fails: invalid_input for anything that to_string does not print.
Result<RequestId> parse_request_id(std::string_view text);

// Hands out the numbers of one epoch in rising order.
//
// The ledger takes holds in that order only, so draw a request's number in the
// step that opens its hold (or that refuses it), not when its first byte
// arrives: a slow body must not be overtaken. Gaps are fine.
class RequestNumbers {
 public:
  explicit RequestNumbers(Epoch epoch) : epoch_(epoch) {}

  RequestNumber next() {
    HANSE_CHECK(last_ < kSequenceMax);
    return {epoch_, ++last_};
  }

 private:
  Epoch epoch_;
  std::int64_t last_ = 0;
};

}  // namespace hanse::ledger
