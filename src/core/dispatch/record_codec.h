// src/core/dispatch/record_codec.h
// A decision record as bytes, small enough to keep one for every request.
//
// No names are in it: ids are dense and mean something only together with the
// snapshot whose digest the record carries. Whoever reads one finds that
// snapshot first, then asks check_record(), then looks names up.
//
// Layout: format version, then the head (request number, snapshot, arrival),
// then the rest; see record_codec.cpp. Times of attempts are told from the
// arrival on, candidates by their difference from the first one.
//
// Pure: no I/O. Framing, checksums and files are the caller's.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "core/dispatch/record.h"
#include "core/dispatch/snapshot.h"
#include "core/ledger/request_id.h"

namespace hanse::dispatch {

// What the driver knows of a request and dispatch does not.
struct RecordExtras {
  static constexpr std::size_t kClientRequestIdBytesMax = 128;

  std::array<std::uint8_t, 16> trace_id{};  // W3C trace context; all zero: none
  // The client's own name for the request, as sent; longer ones are cut when
  // they are written.
  std::string client_request_id;

  bool operator==(const RecordExtras&) const = default;
};

struct StoredRecord {
  Record record;
  RecordExtras extras;
};

// The first few bytes of a record: enough to find it, and its snapshot.
struct RecordHead {
  ledger::RequestNumber number;
  Sha256 snapshot;
  WallTime arrived_at;

  bool operator==(const RecordHead&) const = default;
};

// Appends the record to `out`; allocates nothing once `out` has grown.
void write_record(const Record& record, const RecordExtras& extras, std::string& out);

// Reads exactly what write_record() wrote.
// Fails: broken, naming the byte, for anything else.
Result<StoredRecord> read_record(std::string_view bytes);

// Reads the head alone and looks at nothing behind it.
// Fails: broken.
Result<RecordHead> read_record_head(std::string_view bytes);

// Whether every id in the record names a row of `snapshot`, and what belongs
// together (key and tenant, offer and site) does. Names may be looked up
// only in a record that has passed.
// Requires: `snapshot` is the one the record cites, by digest.
// Fails: broken, naming the id.
Status check_record(const Record& record, const Snapshot& snapshot);

}  // namespace hanse::dispatch
