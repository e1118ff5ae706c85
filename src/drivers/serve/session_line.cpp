// A session's lines: the attempts of one request, of which there are two while
// a hedge is under way.
#include <utility>

#include "base/check.h"
#include "drivers/serve/session.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {

Session::Line::Line(Session& of)
    : session(of), watch_timer(of.shard_.loop(), [this] { watch_ran_out(); }) {}

void Session::Line::on_connected(const http::Connected& to) {
  if (session.turns_to(*this)) session.on_connected(to);
}

// Also of an attempt that is over: the request is lent.
void Session::Line::on_request_done() { session.shard_.take_back(std::move(upstream_request)); }

void Session::Line::on_head(const http::ResponseHead& head) {
  if (session.turns_to(*this)) session.on_head(head);
}

void Session::Line::on_data(std::string_view bytes) {
  if (session.turns_to(*this)) session.on_data(bytes);
}

void Session::Line::on_complete() {
  if (session.turns_to(*this)) session.on_complete();
}

void Session::Line::on_failure(const http::CallFailure& failure) {
  if (session.turns_to(*this)) session.on_failure(failure);
}

void Session::Line::watch_ran_out() {
  if (session.turns_to(*this)) session.watch_ran_out();
}

void Session::Line::cancel() {
  call.cancel();
  watch_timer.cancel();
  open = false;
}

void Session::Line::reset() {
  HANSE_CHECK(!call.active());
  watch_timer.cancel();
  attempt = 0;
  open = false;
  upstream.reset();
  decoder.reset();
  answer.reset();
  shape.emplace<std::monostate>();
  session.shard_.take_back(std::move(upstream_request));
  report.reset();
  out.clear();
}

bool Session::turns_to(Line& line) {
  if (second_ == nullptr) return true;
  if (shard_.record(ref()).attempts[line.attempt].ended) return false;
  line_ = &line;
  return true;
}

Session::Line& Session::other_line() {
  if (second_ == nullptr) second_ = std::make_unique<Line>(*this);
  return line_ == &first_ ? *second_ : first_;
}

}  // namespace hanse::serve
