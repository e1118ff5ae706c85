// src/drivers/serve/client_side.h
// Whom a session answers: one exchange, or, where its request carries an
// Idempotency-Key, all that ask for the same answer.
//
// Two pointers, of which one at most is set: a request without a key costs
// nothing more than its exchange.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "adapters/api/errors.h"
#include "adapters/http/server.h"
#include "drivers/serve/kept_answer.h"
#include "drivers/serve/problems.h"

namespace hanse::serve {

class ClientSide {
 public:
  void take(http::Exchange& exchange, http::ExchangeObserver& observer) {
    exchange_ = &exchange;
    exchange.set_observer(&observer);
  }
  void take(KeptAnswer& answer, AnswerMaker& maker) {
    answer_ = &answer;
    answer.made_by(maker);
  }

  // Whether somebody waits for the answer, or may ask for it again.
  [[nodiscard]] bool there() const {
    return exchange_ != nullptr || (answer_ != nullptr && answer_->wanted());
  }
  // Whether somebody waits for it now.
  [[nodiscard]] bool listens() const {
    return exchange_ != nullptr || (answer_ != nullptr && answer_->heard());
  }
  // Bytes of a stream, before framing: handed over, and taken by whoever has
  // taken most. Requires: there().
  [[nodiscard]] std::uint64_t written() const {
    return exchange_ != nullptr ? exchange_->body_bytes_written() : answer_->written();
  }
  [[nodiscard]] std::uint64_t taken() const {
    return exchange_ != nullptr ? http::bytes_taken(*exchange_) : answer_->taken();
  }
  // Null without an Idempotency-Key.
  [[nodiscard]] KeptAnswer* kept() const { return answer_; }

  // As http::Exchange has them; each end lets go of the client.
  // Requires: there().
  [[nodiscard]] bool begun() const {
    return exchange_ != nullptr ? exchange_->begun() : answer_->begun();
  }
  void begin_stream(int status, http::HeaderLines headers) {
    exchange_ != nullptr ? exchange_->begin_stream(status, headers)
                         : answer_->begin_stream(status, headers);
  }
  bool write(std::string_view bytes) {
    return exchange_ != nullptr ? exchange_->write(bytes) : answer_->write(bytes);
  }
  void finish(std::string_view last) {
    if (exchange_ != nullptr) return release().finish(last);
    std::exchange(answer_, nullptr)->finish(last);
  }
  void reply(int status, http::HeaderLines headers, std::string_view body) {
    if (exchange_ != nullptr) return release().reply(status, headers, body);
    std::exchange(answer_, nullptr)->reply(status, headers, body);
  }
  // The end of a stream that has begun, with an error event.
  void finish_with_error(std::string_view last) {
    if (exchange_ != nullptr) return release().finish(last);
    std::exchange(answer_, nullptr)->finish_with_error(last);
  }
  void refuse(const api::Problem& problem) {
    if (exchange_ != nullptr) return reply_problem(release(), problem);
    std::exchange(answer_, nullptr)->refuse(problem);
  }

  // The exchange has ended by itself.
  void left() { exchange_ = nullptr; }
  // Nobody will say how the answer ends.
  void let_go() {
    exchange_ = nullptr;
    if (answer_ != nullptr) std::exchange(answer_, nullptr)->give_up();
  }

 private:
  http::Exchange& release() {
    http::Exchange& exchange = *std::exchange(exchange_, nullptr);
    exchange.set_observer(nullptr);
    return exchange;
  }

  http::Exchange* exchange_ = nullptr;
  KeptAnswer* answer_ = nullptr;
};

}  // namespace hanse::serve
