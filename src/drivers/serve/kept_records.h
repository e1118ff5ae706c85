// src/drivers/serve/kept_records.h
// Decision records as people read them: a record holds ids and no reasons, so
// its names and reasons are looked up in the configuration that it cites, kept
// under its digest beside the journal. A running gateway and one that has ended
// are read alike.
#pragma once

#include <optional>
#include <string_view>

#include "adapters/journal/disk.h"
#include "adapters/telemetry/record_view.h"
#include "base/result.h"
#include "core/dispatch/snapshot.h"
#include "core/gate/gate.h"
#include "core/ledger/account.h"
#include "core/ledger/request_id.h"
#include "drivers/serve/books_files.h"

namespace hanse::serve {

// Makes views, and keeps the gate of the snapshot last used: the newest records
// mostly cite one, and compiling its rules takes longer than all the rest.
class RecordViewer {
 public:
  // `record` as record_codec.h writes it.
  // Requires: `snapshot` is the one that the record cites.
  // Fails: broken when it is no record, or does not fit the snapshot.
  Result<telemetry::RecordView> view(std::string_view record, const dispatch::SnapshotRef& snapshot,
                                     const ledger::RequestId& request, ledger::Currency currency);

 private:
  const gate::Gate& gate_of(const dispatch::SnapshotRef& snapshot);

  dispatch::SnapshotRef snapshot_;  // outlives its gate
  std::optional<gate::Gate> gate_;  // of snapshot_
};

// Out of the journal, without its lock: beside the gateway that writes it, or
// when none does.
// Fails: invalid_input for a request of another journal; not_found for one
// that never came, and for a record that is erased, was lost in a crash, or
// whose configuration is gone; unavailable while the request is under way;
// broken for anything that is damaged. Each says what to do, if anything can
// be done.
Result<telemetry::RecordView> find_record(journal::Disk& disk, const BooksFiles& files,
                                          const ledger::RequestId& request);

}  // namespace hanse::serve
