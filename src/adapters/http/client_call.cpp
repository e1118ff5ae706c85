#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "adapters/http/client_state.h"
#include "adapters/http/head_writer.h"
#include "base/check.h"

namespace hanse::http {

namespace {

MonotonicTime deadline_after(MonotonicTime now, Duration limit) {
  return limit >= kForever ? MonotonicTime(kForever.count()) : now + limit;
}

std::size_t total_size(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  return size;
}

bool method_has_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

std::string_view to_string(CallPhase phase) {
  switch (phase) {
    case CallPhase::waiting: return "waiting";
    case CallPhase::resolving: return "resolving";
    case CallPhase::connecting: return "connecting";
    case CallPhase::handshake: return "handshake";
    case CallPhase::sending: return "sending";
    case CallPhase::head: return "head";
    case CallPhase::body: return "body";
  }
  return "";
}

std::string_view to_string(CallTrouble trouble) {
  switch (trouble) {
    case CallTrouble::invalid_request: return "invalid_request";
    case CallTrouble::pool_full: return "pool_full";
    case CallTrouble::name_not_resolved: return "name_not_resolved";
    case CallTrouble::refused: return "refused";
    case CallTrouble::unreachable: return "unreachable";
    case CallTrouble::tls: return "tls";
    case CallTrouble::reset: return "reset";
    case CallTrouble::closed_early: return "closed_early";
    case CallTrouble::bad_framing: return "bad_framing";
    case CallTrouble::head_too_large: return "head_too_large";
    case CallTrouble::timed_out: return "timed_out";
  }
  return "";
}

Error CallFailure::to_error() const {
  Error error{ErrorCode::unavailable, Fault::upstream, Retry::elsewhere,
              fmt::format("{} while {}: {}", to_string(trouble), to_string(phase), message)};
  switch (trouble) {
    case CallTrouble::invalid_request:
      error.code = ErrorCode::internal;
      error.fault = Fault::us;
      error.retry = Retry::no;
      break;
    case CallTrouble::pool_full:
      error.code = ErrorCode::at_capacity;
      error.fault = Fault::us;
      break;
    case CallTrouble::closed_early:
    case CallTrouble::bad_framing:
    case CallTrouble::head_too_large: error.code = ErrorCode::broken; break;
    case CallTrouble::timed_out: error.code = ErrorCode::timed_out; break;
    default: break;
  }
  return error;
}

CallState::CallState(Loop& the_loop)
    : loop(the_loop),
      head(the_loop.buffers()),
      timer_(the_loop, [this] { on_timer(); }),
      deferred_(the_loop, [this] { on_deferred(); }) {}

void CallState::start(PoolState& the_pool, const CallRequest& request, const CallLimits& the_limits,
                      CallObserver& the_observer) {
  HANSE_CHECK(!active);
  active = true;
  pool = &the_pool;
  observer = &the_observer;
  limits = the_limits;
  body = request.body;
  sent_again = paused = request_left = false;
  paused_before_ = Duration();
  head_only = request.method == "HEAD";
  phase = CallPhase::waiting;
  began_at = loop.now().monotonic;
  connect_deadline = deadline_after(began_at, limits.connect);
  whole_deadline = deadline_after(began_at, limits.whole);
  if (!write_head(request)) return;
  arm(limits.connect);
  pool->acquire(*this, false);
}

bool CallState::write_head(const CallRequest& request) {
  const auto refuse = [this](CallTrouble trouble, std::string_view why) {
    fail(trouble, std::string(why));
    return false;
  };
  if (!is_token(request.method) || !is_target(request.target)) {
    return refuse(CallTrouble::invalid_request, "the method or the target may not be sent");
  }
  HeadWriter writer(loop.write_scratch());
  writer.request_line(request.method, request.target);
  writer.field("Host", pool->authority);
  if (!writer.fields(request.headers)) {
    return refuse(CallTrouble::invalid_request, "a header may not be sent");
  }
  const std::size_t body_size = total_size(request.body);
  if (body_size > 0 || method_has_body(request.method)) writer.field("Content-Length", body_size);
  writer.end();
  if (!writer.fits()) return refuse(CallTrouble::invalid_request, "the headers are too large");
  head.clear();
  if (!head.append(writer.view())) {
    return refuse(CallTrouble::pool_full, "the budget for kept bytes is spent");
  }
  return true;
}

void CallState::arm(Duration limit) {
  timer_.arm(std::min(deadline_after(loop.now().monotonic, limit), whole_deadline));
}

void CallState::enter(CallPhase next) {
  phase = next;
  switch (next) {
    case CallPhase::waiting:
    case CallPhase::resolving:
    case CallPhase::connecting:
    case CallPhase::handshake: timer_.arm(std::min(connect_deadline, whole_deadline)); break;
    case CallPhase::sending:
    case CallPhase::body: arm(limits.between_bytes); break;
    case CallPhase::head: arm(limits.head); break;
  }
}

void CallState::limit_present(MonotonicTime deadline) {
  timer_.arm(std::min({deadline, connect_deadline, whole_deadline}));
}

void CallState::progress() {
  if (!paused) arm(limits.between_bytes);
}

void CallState::connected(const Connected& how) {
  connected_ = how;
  deferred_.schedule();
}

void CallState::fail(CallTrouble trouble, std::string message) {
  HANSE_CHECK(connection == nullptr);
  timer_.cancel();
  head.release();
  failure_ = std::make_unique<CallFailure>(CallFailure{.phase = phase,
                                                       .trouble = trouble,
                                                       .message = std::move(message),
                                                       .request_left = request_left});
  deferred_.schedule();
}

void CallState::complete() {
  HANSE_CHECK(connection == nullptr);
  active = false;
  timer_.cancel();
  deferred_.cancel();
  connected_.reset();
  head.release();
  observer->on_complete();
}

void CallState::request_done() {
  if (head.empty()) return;
  head.release();
  body = {};
  observer->on_request_done();
}

void CallState::send_again() {
  HANSE_CHECK(connection == nullptr);
  sent_again = true;
  ++pool->counters.sent_again;
  connect_deadline = deadline_after(loop.now().monotonic, limits.connect);
  enter(CallPhase::waiting);
  pool->acquire(*this, true);
}

void CallState::on_deferred() {
  if (connected_) {
    const Connected how = *std::exchange(connected_, std::nullopt);
    // Whatever the observer does next, this is the last use of `this` here.
    if (failure_) deferred_.schedule();
    return observer->on_connected(how);
  }
  if (!failure_) return;
  const auto failure = std::move(failure_);
  active = false;
  observer->on_failure(*failure);
}

void CallState::on_timer() {
  const bool connecting = phase == CallPhase::connecting || phase == CallPhase::handshake;
  const auto now = loop.now().monotonic;
  if (connecting && now < connect_deadline && now < whole_deadline &&
      connection->try_next_address()) {
    return;
  }
  pool->stop_waiting(*this);
  if (connection != nullptr) connection->abandon();
  fail(CallTrouble::timed_out, "the limit of this phase has passed");
}

void CallState::cancel() {
  if (!active) return;
  active = false;
  timer_.cancel();
  deferred_.cancel();
  failure_.reset();
  connected_.reset();
  pool->stop_waiting(*this);
  if (connection != nullptr) connection->abandon();
  head.release();
}

void CallState::pause() {
  if (!std::exchange(paused, true)) paused_at_ = loop.now().monotonic;
  if (phase == CallPhase::head || phase == CallPhase::body) timer_.arm(whole_deadline);
}

void CallState::resume() {
  if (!paused) return;
  paused_before_ = paused_for();
  paused = false;
  if (phase == CallPhase::head || phase == CallPhase::body) enter(phase);
  if (connection != nullptr) connection->resume_reading();
}

Duration CallState::paused_for() const {
  return paused ? paused_before_ + elapsed(paused_at_, loop.now().monotonic) : paused_before_;
}

Call::Call() = default;
Call::~Call() { cancel(); }

void Call::start(Pool& pool, const CallRequest& request, const CallLimits& limits,
                 CallObserver& observer) {
  PoolState& state = *pool.state_;
  if (!state_ || &state_->loop != &state.loop) state_ = std::make_unique<CallState>(state.loop);
  state_->start(state, request, limits, observer);
}
void Call::cancel() {
  if (state_) state_->cancel();
}
bool Call::active() const { return state_ && state_->active; }
void Call::pause() {
  if (active()) state_->pause();
}
void Call::resume() {
  if (active()) state_->resume();
}
bool Call::paused() const { return active() && state_->paused; }
Duration Call::paused_for() const { return state_ ? state_->paused_for() : Duration(); }

}  // namespace hanse::http
