// src/drivers/serve/admin.h
// The admin listener: health, readiness, metrics, sites, drills and decision records. On a
// Unix socket, or on loopback with a token; never for tenants.
//
//   GET /healthz          200 while the process runs
//   GET /readyz           200 while requests are taken; 503 with the reason;
//                         either behind the gateway's name
//   GET /metrics          Prometheus text
//   GET /records          the newest records, one line of JSON each
//   GET /records/ID       one record with all reasons, as JSON; what is no longer
//                         among the newest is read out of the journal meanwhile
//   GET /sites            how they stand, and what their engines told last; see site_list.h
//   GET /drills           the sites that are left out on purpose, and until when
//   POST /drills          leaves more of them out, see drills.h; replies as GET
//   DELETE /drills        ends those named likewise, or all if none is
//   GET /records/ID?view=text&colour=on&columns=100    the same for people
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/http/server.h"
#include "drivers/serve/kept_records.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {

class Admin final : public http::Handler {
 public:
  // `gateway` is its name in the configuration. An empty token asks for none:
  // for Unix sockets, whose file has rights.
  Admin(Shard& shard, std::string gateway, std::string token);
  ~Admin() override;

  void on_head(http::Exchange& exchange) override;
  void on_request(http::Exchange& exchange) override;
  http::RefusalReply on_refused(const http::Refusal& refusal,
                                const http::RequestHead* head) override;

  void set_draining() { draining_ = true; }

 private:
  class Waiting;
  struct RecordForm;

  // Memory, too, tells nothing of a request whose record's time is over.
  [[nodiscard]] bool in_time(const RecordRing::Entry& entry) const;
  [[nodiscard]] bool may(const http::RequestHead& head) const;
  void ready(http::Exchange& exchange) const;
  void drills(http::Exchange& exchange);
  void metrics(http::Exchange& exchange) const;
  Result<telemetry::RecordView> view_of_newest(const RecordRing::Entry& entry);
  void newest_records(http::Exchange& exchange);
  void one_record(http::Exchange& exchange, std::string_view id, std::string_view query);
  void look_up(http::Exchange& exchange, const ledger::RequestId& request, const RecordForm& form);

  Shard& shard_;
  const std::string gateway_;
  const std::string token_;
  RecordViewer viewer_;
  bool draining_ = false;
  // Each waits for the archive; by a number of its own, for its client may go
  // first.
  std::map<std::uint64_t, std::unique_ptr<Waiting>> waiting_;
  std::uint64_t looked_up_ = 0;
};

}  // namespace hanse::serve
