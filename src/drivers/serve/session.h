// src/drivers/serve/session.h
// One client's request on its way: the exchange with the client on one side,
// the call to a site on the other (two, while a hedge is under way), and between
// them the answer.
//
// Dispatch decides; a session does what it is told and reports what it sees.
// Bytes of a stream go from the site's socket to the client's without passing
// dispatch, up to the mark that a Release has set. A session is used again
// for the next request in its slot, and keeps its capacity.
//
// Belongs to its shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "adapters/api/errors.h"
#include "adapters/api/request_codec.h"
#include "adapters/api/request_headers.h"
#include "adapters/api/site_words.h"
#include "adapters/api/stream_writer.h"
#include "adapters/api/whole_writer.h"
#include "adapters/engines/engine.h"
#include "adapters/engines/response_decoder.h"
#include "adapters/http/client.h"
#include "adapters/http/loop.h"
#include "adapters/http/server.h"
#include "base/bounded.h"
#include "core/answer/answer.h"
#include "core/dispatch/action.h"
#include "core/dispatch/attempt_watch.h"
#include "core/dispatch/record_codec.h"
#include "drivers/serve/client_side.h"
#include "drivers/serve/delivery.h"
#include "drivers/serve/setting.h"

namespace hanse::serve {

class Shard;

// What the front has found out about a request.
struct Admission {
  std::shared_ptr<const Setting> setting;
  KeyId key;
  gate::LabelSet labels;
  dispatch::RecordExtras extras;
  api::Traceparent traceparent{};  // of our own span, for the site
  KeptAnswer* kept = nullptr;      // of a request with an Idempotency-Key
};

class Session final : public http::ExchangeObserver, public AnswerMaker {
 public:
  Session(Shard& shard, std::uint32_t slot);

  // Takes the exchange and its body over and tells dispatch. `class_name` is
  // the latency class that the client names.
  // Fails: the problem to reply with; nothing has been taken then.
  std::optional<api::Problem> begin(http::Exchange& exchange, Admission admission,
                                    answer::Dialect dialect,
                                    std::optional<std::string_view> class_name);

  // --- What dispatch says. ---
  void open(const dispatch::OpenAttempt& action);
  void cancel_attempt(std::uint8_t attempt);
  void release(const dispatch::Release& action);
  void finish();
  void refuse(const dispatch::Refuse& action);
  void forget();
  // The shard gives up: the client is told why and the attempt is cancelled.
  void stop(api::ProblemKind kind, std::string_view why);
  // Nobody will say how the request ends any more: frees what it holds.
  void drop();

  [[nodiscard]] dispatch::RequestRef ref() const { return {slot_, generation_}; }
  [[nodiscard]] bool has_client() const { return client_.there(); }
  [[nodiscard]] bool busy() const { return client_.there() || is_calling() || in_dispatch_; }
  [[nodiscard]] const dispatch::RecordExtras& extras() const { return admission_.extras; }
  [[nodiscard]] const std::shared_ptr<const Setting>& setting() const { return admission_.setting; }

  // --- What the client's socket says. ---
  void on_drained(http::Exchange& exchange) override;
  void on_client_gone(http::Exchange& exchange) override;
  void go_on() override;
  void nobody_listens() override;

 private:
  // An attempt's call to its site, and the answer that it makes or takes up.
  // What its socket and its timer say goes to the session, turned to this line.
  struct Line final : http::CallObserver {
    explicit Line(Session& session);

    void on_connected(const http::Connected& connected) override;
    void on_request_done() override;
    void on_head(const http::ResponseHead& head) override;
    void on_data(std::string_view bytes) override;
    void on_complete() override;
    void on_failure(const http::CallFailure& failure) override;
    void watch_ran_out();
    void cancel();
    // As it is between two requests. Requires: the call is over.
    void reset();

    Session& session;
    std::uint8_t attempt = 0;
    bool open = false;
    bool connected = false;  // the attempt's call has been, at least once
    bool first_token_told = false;
    bool engine_done = false;
    SiteId site;
    OfferId offer;
    std::shared_ptr<Upstream> upstream;
    dispatch::AttemptWatch watch;
    std::unique_ptr<engines::UpstreamRequest> upstream_request;  // until it has been sent
    http::Call call;
    http::Timer watch_timer;
    std::optional<engines::ResponseDecoder> decoder;
    std::unique_ptr<answer::FailureReport> report;  // null while all is well

    // The answer so far.
    std::optional<answer::Answer> answer;
    std::variant<std::monostate, api::StreamWriter, api::WholeAssembler> shape;
    // For the client, not handed over yet. Mostly there is nothing, and then its
    // memory is the shard's: thousands of streams do not each need some.
    std::string out;
    std::int64_t seen = 0;  // deltas of the attempt that have come
  };

  // From here on all is about this line's attempt. False when dispatch has done
  // with that: the other of two was first, or the request has ended.
  [[nodiscard]] bool turns_to(Line& line);
  // The line for a second attempt, made when a request needs one.
  [[nodiscard]] Line& other_line();
  [[nodiscard]] bool is_calling() const {
    return first_.call.active() || (second_ != nullptr && second_->call.active());
  }
  void on_connected(const http::Connected& connected);
  void on_head(const http::ResponseHead& head);
  void on_data(std::string_view bytes);
  void on_complete();
  void on_failure(const http::CallFailure& failure);
  void begin_answer(answer::TakeUp take_up);
  // Sends the attempt's request. False when its engine cannot be asked that; then
  // report_ says why.
  [[nodiscard]] bool ask(const dispatch::OpenAttempt& action);
  // Requires: the client asked for a stream.
  [[nodiscard]] api::StreamWriter& writer() { return std::get<api::StreamWriter>(line_->shape); }
  // Requires: it did not.
  [[nodiscard]] api::WholeAssembler& assembler() {
    return std::get<api::WholeAssembler>(line_->shape);
  }
  void borrow_text();
  void give_text_back();
  answer::FailureReport& failed(answer::Failure failure, std::string_view why);
  void take_input();
  void take_deltas();
  void take(const answer::Delta& delta);
  // Whether it names another model than the offer says; asked of the beginning
  // of an answer only.
  [[nodiscard]] bool is_of_another_model(const answer::Delta& delta) const;
  void on_progress();
  void push_out();
  void wait_for_end();
  void stop_at_limit();
  void attempt_over(engines::Step step);
  void end_attempt(answer::Failure failure);
  [[nodiscard]] bool met_its_limit() const;
  void tell_client_gone();
  void look_at_delivery();
  void watch_ran_out();
  void take_client(http::Exchange& exchange);
  void begin_stream();
  void reply_whole();
  void reply_with(const api::Problem& told);
  void reset();

  [[nodiscard]] std::string_view request_id() const {
    return {request_id_.data(), request_id_.size()};
  }
  [[nodiscard]] std::string_view traceparent() const {
    return {admission_.traceparent.data(), admission_.traceparent.size()};
  }
  // What the attempt under way has used, and what the client's answer has.
  [[nodiscard]] Usage usage_so_far() const;
  [[nodiscard]] Usage billed_so_far() const;
  [[nodiscard]] Tokens prompt_estimate() const;
  [[nodiscard]] answer::Resumable resumable() const;
  [[nodiscard]] Tokens deltas() const {
    return Tokens(line_->answer ? line_->answer->progress_deltas() : 0);
  }
  void keep_watch();
  [[nodiscard]] api::Accounting accounting() const;
  [[nodiscard]] api::Problem problem(const dispatch::Refuse& action) const;
  // Says which request it was, and how far it came.
  void mark(api::Problem& told) const;
  [[nodiscard]] const fleet::Site& site() const;
  // What the site of the attempt under way may not tell the client.
  [[nodiscard]] api::SiteSecrets secrets() const;

  // The headers of a reply, in place; views of the session's own strings.
  class ReplyHeaders {
   public:
    ReplyHeaders(const Session& session, std::string_view content_type);
    void add(std::string_view name, std::string_view value) { lines_.push({name, value}); }
    [[nodiscard]] http::HeaderLines lines() const { return {lines_.begin(), lines_.size()}; }

   private:
    char attempts_;
    InlineVector<http::HeaderLine, 8> lines_;
  };

  Shard& shard_;
  const std::uint32_t slot_;
  std::uint32_t generation_ = 0;
  bool in_dispatch_ = false;  // told as Arrived, and not ended

  // The client's side.
  ClientSide client_;
  http::Buffer body_;
  Admission admission_;
  api::QuestionScratch scratch_;
  answer::Question question_;
  std::array<char, ledger::kRequestIdChars> request_id_{};  // once dispatch knows it
  std::int64_t created_unix_seconds_ = 0;

  // The sites' side. A second line is only there while a request that has had a
  // hedge needs it.
  Line first_{*this};
  std::unique_ptr<Line> second_;
  Line* line_ = &first_;   // of the attempt that all is about, or was
  Tokens output_most_{0};  // of all choices together

  // Deltas of the answer for the client, over all attempts.
  Tokens released_{0};  // may leave
  Tokens reported_{0};  // dispatch knows of
  Delivery delivery_;   // have been taken
};

}  // namespace hanse::serve
