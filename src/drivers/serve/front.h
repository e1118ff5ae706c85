// src/drivers/serve/front.h
// The public listener: who asks, for what, and is it a request at all. What
// can be refused from the head is refused before the body is read.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/api/errors.h"
#include "adapters/api/request_headers.h"
#include "adapters/api/route.h"
#include "adapters/http/server.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {

class Front final : public http::Handler {
 public:
  explicit Front(Shard& shard) : shard_(shard) {}

  void on_head(http::Exchange& exchange) override;
  void on_request(http::Exchange& exchange) override;
  http::RefusalReply on_refused(const http::Refusal& refusal,
                                const http::RequestHead* head) override;

 private:
  // What the head alone decides.
  struct Asked {
    api::Route route;
    KeyId key;
  };
  [[nodiscard]] std::expected<Asked, api::Problem> read_head(const http::RequestHead& head) const;

  void generate(http::Exchange& exchange, const Asked& asked);
  // What the request's Idempotency-Key names; nothing where none counts.
  [[nodiscard]] std::expected<std::optional<KeptAnswers::Request>, api::Problem> read_named(
      const http::Exchange& exchange, const Asked& asked) const;
  // False for a request that is new.
  bool tell_again(http::Exchange& exchange, const KeptAnswers::Request& named);
  // A new request. `named` may be null.
  void begin(http::Exchange& exchange, const Asked& asked, const KeptAnswers::Request* named);
  void list_models(http::Exchange& exchange, KeyId key);
  void get_model(http::Exchange& exchange, const Asked& asked);
  static std::expected<void, api::Problem> check_own_headers(const http::RequestHead& head);
  [[nodiscard]] std::expected<Admission, api::Problem> admit(const http::RequestHead& head,
                                                             KeyId key);

  // What a reply says of whatever is no request of the books. The id is of
  // another kind then: for finding the line in a client's log, not for `hanse
  // explain`. A head that could not be read has no trace to go on with.
  struct Marks {
    std::string request_id;
    std::string traceparent;
  };
  [[nodiscard]] Marks marks_of(const http::RequestHead* head);
  [[nodiscard]] api::TraceContext span_of(const http::RequestHead& head);
  void reply_json(http::Exchange& exchange, std::string_view body);
  void refuse(http::Exchange& exchange, api::Problem problem);
  void mark(api::Problem& problem, const http::RequestHead* head);
  void count(const api::Problem& problem);

  // The head that was looked at last. Most bodies come with their heads, and
  // what was found out in this very turn under this very setting still holds.
  struct Checked {
    const http::Exchange* exchange = nullptr;
    const Setting* setting = nullptr;
    MonotonicTime at;
    Asked asked;
  };
  [[nodiscard]] bool is_checked(const http::Exchange& exchange) const;

  Shard& shard_;
  Checked checked_;
};

}  // namespace hanse::serve
