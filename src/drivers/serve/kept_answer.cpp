#include "drivers/serve/kept_answer.h"

#include <algorithm>

#include "base/check.h"
#include "drivers/serve/kept_answers.h"
#include "drivers/serve/problems.h"

namespace hanse::serve {
namespace {

// What is handed to a socket at once: little enough to be copied when the
// socket is full.
constexpr std::size_t kPiece = std::size_t{64} << 10U;

// What a client may be behind with an answer that is not kept; as a stream of
// its own has, see http::ServerOptions.
constexpr std::size_t kWindowHigh = std::size_t{256} << 10U;
constexpr std::size_t kWindowLow = std::size_t{64} << 10U;

}  // namespace

// One client, and how far it has come.
class KeptAnswer::Listener final : public http::ExchangeObserver {
 public:
  Listener(KeptAnswer& answer, http::Exchange& exchange, const api::Traceparent& traceparent,
           Asked asked)
      : answer_(answer), exchange_(exchange), traceparent_(traceparent), asked_(asked) {
    exchange_.set_observer(this);
  }

  [[nodiscard]] std::size_t heard() const { return heard_; }
  [[nodiscard]] std::uint64_t taken() const { return http::bytes_taken(exchange_); }

  // Tells what its socket takes. True when it has been told all: the exchange
  // has ended.
  bool hear() {
    if (paused_ || !answer_.begun()) return false;
    const bool in_one = answer_.ended_ && !answer_.streamed_ && answer_.end_offset() <= kPiece;
    if (in_one && !exchange_.begun() && answer_.offset_ == 0) {
      exchange_.set_observer(nullptr);
      exchange_.reply(answer_.status_, head(), answer_.text_);
      return true;
    }
    if (!exchange_.begun()) exchange_.begin_stream(answer_.status_, head());
    for (;;) {
      const std::string_view rest =
          std::string_view(answer_.text_).substr(heard_ - answer_.offset_);
      if (answer_.ended_ && rest.size() <= kPiece) {
        exchange_.set_observer(nullptr);
        exchange_.finish(rest);
        return true;
      }
      if (rest.empty()) return false;
      const std::string_view piece = rest.substr(0, kPiece);
      heard_ += piece.size();
      paused_ = !exchange_.write(piece);
      if (paused_) return false;
    }
  }

  void cut_off() {
    exchange_.set_observer(nullptr);
    exchange_.abort();
  }

  void on_drained(http::Exchange&) override {
    paused_ = false;
    answer_.on_drained(*this);
  }
  void on_client_gone(http::Exchange&) override { answer_.on_gone(*this); }

 private:
  // Views of what the answer and this have.
  http::HeaderLines head() {
    lines_.clear();
    for (const auto& [name, value] : answer_.headers_) lines_.push_back({name, value});
    lines_.push_back({"traceparent", {traceparent_.data(), traceparent_.size()}});
    if (asked_ == Asked::again) lines_.push_back({"idempotent-replayed", "true"});
    return lines_;
  }

  KeptAnswer& answer_;
  http::Exchange& exchange_;
  const api::Traceparent traceparent_;
  const Asked asked_;
  std::vector<http::HeaderLine> lines_;
  std::size_t heard_ = 0;  // bytes
  bool paused_ = false;    // its socket is full
};

KeptAnswer::KeptAnswer(KeptAnswers& answers, limits::KeptId id)
    : answers_(answers), id_(id), nobody_(answers.loop(), [this] {
        if (maker_ != nullptr && !wanted()) maker_->nobody_listens();
      }) {}

KeptAnswer::~KeptAnswer() = default;

bool KeptAnswer::wanted() const {
  return !ended_ && (!listeners_.empty() || answers_.book().found(id_));
}

void KeptAnswer::begin_stream(int status, http::HeaderLines headers) {
  set_head(status, headers);
  streamed_ = true;
}

bool KeptAnswer::write(std::string_view bytes) {
  append(bytes);
  tell_all();
  if (sliding_) slide();
  pausing_ = sliding_ && end_offset() - least_heard() > kWindowHigh;
  return !pausing_;
}

void KeptAnswer::finish(std::string_view last) {
  append(last);
  end(true);
}

void KeptAnswer::reply(int status, http::HeaderLines headers, std::string_view body) {
  set_head(status, headers);
  append(body);
  end(true);
}

void KeptAnswer::finish_with_error(std::string_view last) {
  append(last);
  end(false);
}

void KeptAnswer::refuse(const api::Problem& problem) {
  http::RefusalReply told = refusal_reply(problem);
  status_ = api::http_status(problem);
  headers_ = std::move(told.headers);
  std::erase_if(headers_, [](const auto& header) { return header.first == "traceparent"; });
  append(told.body);
  end(false);
}

void KeptAnswer::give_up() {
  for (const auto& listener : listeners_) {
    listener->cut_off();
    answers_.book().leaves(id_);
  }
  listeners_.clear();
  end(false);
}

void KeptAnswer::tell(http::Exchange& exchange, const api::Traceparent& traceparent, Asked asked) {
  answers_.book().listens(id_);
  listeners_.push_back(std::make_unique<Listener>(*this, exchange, traceparent, asked));
  Listener& listener = *listeners_.back();
  if (listener.hear()) remove(listener);
  answers_.tidy();
}

void KeptAnswer::set_head(int status, http::HeaderLines headers) {
  HANSE_CHECK(!begun());
  status_ = status;
  for (const http::HeaderLine& line : headers) {
    if (line.name != "traceparent") headers_.emplace_back(line.name, line.value);
  }
}

void KeptAnswer::append(std::string_view bytes) {
  text_ += bytes;
  const bool kept = answers_.book().resize(id_, text_.size());
  answers_.tidy();
  if (kept || sliding_) return;
  sliding_ = true;
  // Its maker is in the middle of something.
  if (listeners_.empty()) nobody_.schedule();
}

void KeptAnswer::tell_all() {
  std::erase_if(listeners_, [&](const std::unique_ptr<Listener>& listener) {
    const bool told = listener->hear();
    if (told) answers_.book().leaves(id_);
    return told;
  });
}

void KeptAnswer::end(bool with_answer) {
  ended_ = true;
  maker_ = nullptr;
  tell_all();
  if (with_answer) {
    text_.shrink_to_fit();
    answers_.book().answered(id_, answers_.now());
  } else {
    answers_.book().forget(id_);
  }
  answers_.tidy();
}

void KeptAnswer::on_drained(Listener& listener) {
  if (listener.hear()) remove(listener);
  move_on();
}

void KeptAnswer::on_gone(Listener& listener) {
  remove(listener);
  if (maker_ != nullptr && !wanted()) return maker_->nobody_listens();
  move_on();
}

// Somebody has heard more, or nothing any more.
void KeptAnswer::move_on() {
  if (maker_ != nullptr && sliding_) slide();
  if (maker_ != nullptr && pausing_ && end_offset() - least_heard() <= kWindowLow) {
    pausing_ = false;
    maker_->go_on();
  }
  answers_.tidy();
}

void KeptAnswer::remove(Listener& listener) {
  std::erase_if(listeners_, [&](const auto& other) { return other.get() == &listener; });
  answers_.book().leaves(id_);
}

std::uint64_t KeptAnswer::taken() const {
  std::uint64_t most = 0;
  for (const auto& listener : listeners_) most = std::max(most, listener->taken());
  return most;
}

std::size_t KeptAnswer::least_heard() const {
  std::size_t least = end_offset();
  for (const auto& listener : listeners_) least = std::min(least, listener->heard());
  return least;
}

// Lets go of what all have heard, half of it at least: moving the rest costs.
void KeptAnswer::slide() {
  const std::size_t heard = least_heard() - offset_;
  if (heard == 0 || heard < text_.size() / 2) return;
  text_.erase(0, heard);
  if (text_.capacity() > 2 * kWindowHigh && text_.size() <= kWindowHigh) text_.shrink_to_fit();
  offset_ += heard;
  answers_.book().resize(id_, text_.size());
}

}  // namespace hanse::serve
