// src/drivers/serve/trace.h
// The life of requests and the health of sites as lines of the log at `debug`:
// ids, names of the configuration, outcomes and durations; never a client's or
// a site's words.
//
// Belongs to the shard's thread. At any other level it costs a comparison.
#pragma once

#include <cstddef>
#include <string_view>

#include "adapters/telemetry/log.h"
#include "core/dispatch/record.h"
#include "core/dispatch/snapshot.h"
#include "core/ledger/request_id.h"

namespace hanse::serve {

class Trace {
 public:
  // Requires: `log` outlives it.
  Trace(telemetry::Log& log, const ledger::JournalId& journal) : log_(log), journal_(journal) {}

  // An attempt of `record`, counted from 0, has been opened, has ended or is
  // cancelled. Requires: it has that one; `snapshot` is the one it began with.
  void attempt_opened(const dispatch::Record& record, std::size_t attempt,
                      const dispatch::Snapshot& snapshot) const;
  void attempt_ended(const dispatch::Record& record, std::size_t attempt,
                     const dispatch::Snapshot& snapshot) const;
  void attempt_cancelled(const dispatch::Record& record, std::size_t attempt,
                         const dispatch::Snapshot& snapshot) const;
  void request_ended(const dispatch::Record& record) const;
  // The answer of `request` is told to somebody who asked again; `outcome` is a
  // word of ours.
  void told_again(ledger::RequestNumber request, std::string_view outcome) const;
  void site_probed(std::string_view site, bool healthy) const;
  // `code` is a word of ours.
  void turned_away(std::string_view code) const;

 private:
  [[nodiscard]] bool on() const { return log_.writes(telemetry::LogLevel::debug); }
  [[nodiscard]] telemetry::LogField request(const dispatch::Record& record) const;

  telemetry::Log& log_;
  ledger::JournalId journal_;
};

}  // namespace hanse::serve
