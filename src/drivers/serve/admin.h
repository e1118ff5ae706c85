// src/drivers/serve/admin.h
// The admin listener: health, readiness, metrics and decision records. On a
// Unix socket, or on loopback with a token; never for tenants.
//
//   GET /healthz          200 while the process runs
//   GET /readyz           200 while requests are taken; 503 with the reason
//   GET /metrics          Prometheus text
//   GET /records          the newest records, one line of JSON each
//   GET /records/ID       one record with all reasons, as JSON
//   GET /records/ID?view=text&colour=on&columns=100    the same for people
#pragma once

#include <string>
#include <string_view>

#include "adapters/http/server.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {

class Admin final : public http::Handler {
 public:
  // An empty token asks for none: for Unix sockets, whose file has rights.
  Admin(Shard& shard, std::string token) : shard_(shard), token_(std::move(token)) {}

  void on_head(http::Exchange& exchange) override;
  void on_request(http::Exchange& exchange) override;
  http::RefusalReply on_refused(const http::Refusal& refusal,
                                const http::RequestHead* head) override;

  void set_draining() { draining_ = true; }

 private:
  [[nodiscard]] bool may(const http::RequestHead& head) const;
  void ready(http::Exchange& exchange) const;
  void metrics(http::Exchange& exchange) const;
  void newest_records(http::Exchange& exchange) const;
  void one_record(http::Exchange& exchange, std::string_view id, std::string_view query) const;

  Shard& shard_;
  std::string token_;
  bool draining_ = false;
};

}  // namespace hanse::serve
