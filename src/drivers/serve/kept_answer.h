// src/drivers/serve/kept_answer.h
// One answer, told to all who ask for it with the same Idempotency-Key: the
// client that was first, those that ask while it is made, and those that ask
// for some minutes after.
//
// Its bytes are kept from the beginning, and each client reads them at its own
// pace: none waits for another, and a reader that is slow costs no more than
// what is kept anyway. When an answer may not be kept any more, for it is too
// long, only a window is left of it: what some of its clients have not heard
// yet. Past the window's size whoever makes it pauses, as for any slow client.
//
// Belongs to its shard's thread. It is destroyed by KeptAnswers, when it is
// neither made, nor kept, nor read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/api/errors.h"
#include "adapters/api/request_headers.h"
#include "adapters/http/loop.h"
#include "adapters/http/server.h"
#include "core/ledger/request_id.h"
#include "core/limits/idempotency_book.h"

namespace hanse::serve {

class KeptAnswers;

// Who makes an answer. Told from the loop, never inside a call of KeptAnswer.
class AnswerMaker {
 public:
  // What has been written is heard; after write() said "pause".
  virtual void go_on() = 0;
  // The last client has left, and the answer is not kept for another.
  virtual void nobody_listens() = 0;

 protected:
  ~AnswerMaker() = default;
};

class KeptAnswer {
 public:
  KeptAnswer(KeptAnswers& answers, limits::KeptId id);
  ~KeptAnswer();
  KeptAnswer(const KeptAnswer&) = delete;
  KeptAnswer& operator=(const KeptAnswer&) = delete;

  // --- For whoever makes it. ---

  void made_by(AnswerMaker& maker) { maker_ = &maker; }
  // The number of its request in the books.
  void set_request(ledger::RequestNumber number) { request_ = number; }
  // Somebody listens, or may ask for it yet.
  [[nodiscard]] bool wanted() const;
  [[nodiscard]] bool heard() const { return !listeners_.empty(); }
  [[nodiscard]] bool begun() const { return status_ != 0; }
  // Bytes of it, and how many the client that is farthest has taken.
  [[nodiscard]] std::uint64_t written() const { return end_offset(); }
  [[nodiscard]] std::uint64_t taken() const;

  // As http::Exchange has them. Each end lets go of the maker and may destroy
  // the answer.
  void begin_stream(int status, http::HeaderLines headers);
  bool write(std::string_view bytes);
  void finish(std::string_view last);
  void reply(int status, http::HeaderLines headers, std::string_view body);
  // The same for an error: those who listen are told, and then it is forgotten.
  void finish_with_error(std::string_view last);
  void refuse(const api::Problem& problem);
  // It ends without another word. Who listens is cut off.
  void give_up();

  // --- For those who ask. ---

  enum class Asked : std::uint8_t { first, again };
  // Tells `exchange` all of it. May end the exchange, and destroy the answer.
  // Requires: it has been handed to on_request(); its body is not needed any more.
  void tell(http::Exchange& exchange, const api::Traceparent& traceparent, Asked asked);
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] ledger::RequestNumber request() const { return request_; }

 private:
  class Listener;

  void set_head(int status, http::HeaderLines headers);
  void append(std::string_view bytes);
  void tell_all();
  void end(bool with_answer);
  void on_drained(Listener& listener);
  void on_gone(Listener& listener);
  void remove(Listener& listener);
  void move_on();
  [[nodiscard]] std::size_t end_offset() const { return offset_ + text_.size(); }
  [[nodiscard]] std::size_t least_heard() const;
  void slide();

  KeptAnswers& answers_;
  const limits::KeptId id_;
  AnswerMaker* maker_ = nullptr;  // until it ends
  ledger::RequestNumber request_;
  // Without `traceparent`, which is each client's own.
  int status_ = 0;  // none: nothing to tell yet
  std::vector<std::pair<std::string, std::string>> headers_;
  bool streamed_ = false;
  bool ended_ = false;
  bool sliding_ = false;  // only the window is left
  bool pausing_ = false;  // the maker is
  std::string text_;
  std::size_t offset_ = 0;  // of text_ in all of it
  std::vector<std::unique_ptr<Listener>> listeners_;
  http::Deferred nobody_;
};

}  // namespace hanse::serve
