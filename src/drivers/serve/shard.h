// src/drivers/serve/shard.h
// One shard: one thread, one loop, its own dispatch, journal and connections.
//
// The shard turns what happens on sockets into events and does what dispatch
// says. Within a turn of the loop entries are only collected; at its end they
// are written in one go, and only then leaves what waited for them: requests
// to sites, whole replies, last chunks.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/http/loop.h"
#include "adapters/http/server.h"
#include "adapters/telemetry/log.h"
#include "adapters/telemetry/metrics.h"
#include "adapters/telemetry/process_metrics.h"
#include "base/random.h"
#include "core/dispatch/dispatch.h"
#include "core/fleet/health_news.h"
#include "core/fleet/site_slots.h"
#include "drivers/serve/books.h"
#include "drivers/serve/kept_answers.h"
#include "drivers/serve/prober.h"
#include "drivers/serve/record_ring.h"
#include "drivers/serve/recorder.h"
#include "drivers/serve/session.h"
#include "drivers/serve/setting.h"
#include "drivers/serve/trace.h"

namespace hanse::serve {

struct ShardOptions {
  dispatch::DispatchOptions dispatch;
  limits::IdempotencyLimits idempotency;
  std::uint64_t random_seed = 0;  // of trace ids; not of decisions
  telemetry::BuildInfo build;
  bool last_byte_survives_power_loss = false;  // ledger.durability = "power"
};

class Shard {
 public:
  // Requires: loop and log outlive the shard. `recorder` may be null.
  Shard(http::Loop& loop, std::shared_ptr<const Setting> setting, std::unique_ptr<Books> books,
        std::unique_ptr<Recorder> recorder, const ShardOptions& options, Instant began,
        telemetry::Log& log);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // From the next request on.
  void adopt(std::shared_ptr<const Setting> setting);
  // More of the journal is durable, or its disk has failed.
  void durable_rose();
  // Gives up what is still open, telling each client; for the end of a drain.
  void stop_all();

  // --- For sessions. ---
  void tell(const dispatch::Event& event);
  [[nodiscard]] http::Loop& loop() { return loop_; }
  [[nodiscard]] const dispatch::Record& record(dispatch::RequestRef ref) const {
    return dispatch_.record(ref);
  }
  [[nodiscard]] std::vector<gate::Verdict> explain(dispatch::RequestRef ref) const {
    return dispatch_.explain(ref);
  }
  [[nodiscard]] std::array<char, ledger::kRequestIdChars> request_id(
      dispatch::RequestRef ref) const;
  void ended(Session& session);
  void give_back(std::uint32_t slot);
  void log_failed_attempt(Session& session, std::string_view site,
                          const answer::FailureReport& report);

  // Lent from one use to the next within a turn; empty.
  [[nodiscard]] std::string& spare_text() { return spare_text_; }
  // Lent until a site has been sent it; a stream does not need it any more.
  [[nodiscard]] std::unique_ptr<engines::UpstreamRequest> lend_upstream_request();
  void take_back(std::unique_ptr<engines::UpstreamRequest> request);

  // --- For the front and the admin side. ---
  // Null when as many requests are open as may be.
  Session* take_session();
  [[nodiscard]] const std::shared_ptr<const Setting>& setting() const { return setting_; }
  [[nodiscard]] dispatch::Dispatch& dispatch() { return dispatch_; }
  [[nodiscard]] const ledger::JournalId& journal_id() const { return books_->journal().id(); }
  [[nodiscard]] ledger::Currency currency() const { return options_.dispatch.currency; }
  // Leaves a site of the newest snapshot out for so long; for no time: ends its
  // drill, if it has one.
  void drill(SiteId site, Duration lasts);
  // Appends all metrics as Prometheus text.
  void write_metrics(std::string& out);
  [[nodiscard]] const RecordRing& records() const { return records_; }
  [[nodiscard]] telemetry::GatewayMetrics& metrics() { return metrics_; }
  [[nodiscard]] Books& books() { return *books_; }
  [[nodiscard]] KeptAnswers& kept_answers() { return kept_answers_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] const Trace& trace() const { return trace_; }

 private:
  void write_down(const dispatch::Append& append);
  // Keeps the record of a request that has ended; returns its bytes.
  const std::string& keep_record(Session& session);
  // False for an action that waits for the turn's end.
  bool perform_at_once(const dispatch::Action& action);
  // False for an answer's end whose entries the disk does not have yet.
  [[nodiscard]] bool may_leave_now(const dispatch::Action& action) const;
  void perform(const dispatch::Action& action);
  void turn_end();
  void perform_what_was_written();
  void disk_stands();
  void patience_ran_out();
  void give_up_waiting();
  [[nodiscard]] bool end_waits(dispatch::RequestRef request) const;
  void stop_sessions(api::ProblemKind kind, std::string_view why);
  void journal_failed(const Error& error);
  void trace_opening(dispatch::RequestRef request, std::size_t attempt) const;
  void trace_cancelling(dispatch::RequestRef request, std::size_t attempt) const;
  Session* find(dispatch::RequestRef ref);

  http::Loop& loop_;
  std::shared_ptr<const Setting> setting_;
  std::unique_ptr<Books> books_;
  std::unique_ptr<Recorder> recorder_;
  ShardOptions options_;
  telemetry::Log& log_;
  Trace trace_;
  telemetry::GatewayMetrics metrics_;
  telemetry::ProcessMetrics process_;
  RecordRing records_;
  Random random_;
  // This process is the only shard: its sites' slots are its own, and nobody
  // else asks what it finds out.
  fleet::SlotOwner slots_;
  fleet::NobodyElse nobody_else_;
  dispatch::Dispatch dispatch_;
  dispatch::Actions actions_;
  // What waits for the turn's entries to be written, in order.
  std::vector<dispatch::Action> waiting_;
  std::vector<dispatch::Action> performing_;
  // Ends of answers, with what must be durable before they leave.
  struct Unsafe {
    ledger::Position position;
    dispatch::Action action;
  };
  std::deque<Unsafe> unsafe_;
  bool broken_ = false;   // the journal has failed
  bool writing_ = false;  // the journal is being written, perhaps for long
  KeptAnswers kept_answers_;
  std::string spare_text_;
  std::vector<std::unique_ptr<engines::UpstreamRequest>> spare_requests_;
  std::vector<std::unique_ptr<Session>> sessions_;  // by slot
  std::vector<std::uint32_t> free_slots_;
  Prober prober_;
  bool disk_told_ = false;  // that it stands still
  http::Timer patience_;    // with a disk that does not take what is written
  http::Timer wake_;
};

}  // namespace hanse::serve
