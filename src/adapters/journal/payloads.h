// src/adapters/journal/payloads.h
// Facts and labels that lie beside the chain. The chain holds a digest of each,
// salted with 16 random bytes that lie with the payload; when both are
// overwritten, the chain still verifies and what it holds says nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapters/journal/disk.h"
#include "adapters/journal/entry_codec.h"
#include "adapters/journal/format.h"

namespace hanse::journal {

// Where a payload lies.
struct PayloadPlace {
  SegmentNumber segment;
  std::uint64_t offset = 0;
  ledger::Position position;  // of its entry
  PayloadMark mark;
};

struct Payload {
  enum class State : std::uint8_t {
    kept,
    erased,   // overwritten, or its whole file removed
    missing,  // lost with the power: entries had reached the disk, it had not
  };
  State state = State::missing;
  std::vector<std::uint8_t> bytes;  // when kept
};

// Fails: broken when the bytes do not fit the digest in the chain; what the
// disk reports.
Result<Payload> read_payload(Disk& disk, const std::string& directory, const PayloadPlace& place);

// Calls `visit` with the first bytes of each payload beside `segment` that is
// not erased, at most `bytes_max` of them, in order; until it returns false.
// Trusts the file's own lengths, not the chain; the end of the file ends it,
// for it may be being written.
// Requires: `bytes_max` is at most 4,096.
// Fails: not_found when there is no such file; broken where what follows is no
// payload; what the disk reports.
Status visit_payloads(Disk& disk, const std::string& directory, SegmentNumber segment,
                      std::size_t bytes_max,
                      const std::function<bool(std::span<const std::uint8_t>)>& visit);

// The payload of the entry at `position`, if it has one.
Result<std::optional<PayloadPlace>> find_payload(Disk& disk, const std::string& directory,
                                                 ledger::Position position);

// Overwrites a payload and its salt with zeros, for good. The chain still
// verifies: what it holds is a digest nobody can test a guess against.
// Erasing twice is fine.
Status erase_payload(Disk& disk, const std::string& directory, const PayloadPlace& place);

}  // namespace hanse::journal
