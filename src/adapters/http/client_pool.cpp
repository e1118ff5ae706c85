#include <algorithm>
#include <utility>

#include "adapters/http/client_state.h"

namespace hanse::http {

PoolState::PoolState(Loop& the_loop, Origin the_origin, PoolOptions the_options)
    : loop(the_loop),
      origin(std::move(the_origin)),
      options(std::move(the_options)),
      authority(origin.authority()),
      sweep_(the_loop,
             [this] {
               retired_.clear();
               serve_waiting();
             }),
      idle_timer_(the_loop, [this] { expire_idle(); }) {
  if (!origin.tls || options.tls) return;
  auto made = TlsContext::for_client({});
  if (made) {
    options.tls = std::move(*made);
  } else {
    tls_error = made.error();
  }
}

PoolState::~PoolState() {
  while (wait_first_ != nullptr) wait_first_->cancel();
  while (!connections_.empty()) {
    ClientConnection& connection = *connections_.back();
    if (connection.call() != nullptr) {
      connection.call()->cancel();
    } else {
      connection.close_now();
    }
  }
}

void PoolState::acquire(CallState& call, bool fresh) {
  if (tls_error) return call.fail(CallTrouble::tls, tls_error->message);
  if (!fresh && !idle_.empty()) {
    ClientConnection& connection = *idle_.back();
    idle_.pop_back();
    --counters.idle;
    ++counters.reused;
    return connection.carry(call);
  }
  if (counters.open < options.connections_max) return open_connection(call);
  if (counters.waiting >= options.waiting_max) {
    return call.fail(CallTrouble::pool_full, "too many calls wait for a connection");
  }
  ++counters.waiting;
  call.waiting = true;
  call.wait_next = nullptr;
  call.wait_previous = wait_last_;
  (wait_last_ != nullptr ? wait_last_->wait_next : wait_first_) = &call;
  wait_last_ = &call;
}

void PoolState::open_connection(CallState& call) {
  ++counters.open;
  ++counters.opened;
  connections_.push_back(std::make_unique<ClientConnection>(*this));
  connections_.back()->place = connections_.size() - 1;
  connections_.back()->generation = generation_;
  connections_.back()->open(call);
}

void PoolState::stop_waiting(CallState& call) {
  if (!call.waiting) return;
  --counters.waiting;
  call.waiting = false;
  (call.wait_previous != nullptr ? call.wait_previous->wait_next : wait_first_) = call.wait_next;
  (call.wait_next != nullptr ? call.wait_next->wait_previous : wait_last_) = call.wait_previous;
  call.wait_next = call.wait_previous = nullptr;
}

void PoolState::release(ClientConnection& connection) {
  if (connection.generation != generation_) return connection.close_now();
  if (wait_first_ != nullptr) {
    CallState& next = *wait_first_;
    stop_waiting(next);
    ++counters.reused;
    return connection.carry(next);
  }
  if (idle_.size() >= options.idle_max) return connection.close_now();
  connection.idle_since = loop.now().monotonic;
  idle_.push_back(&connection);
  ++counters.idle;
  if (!idle_timer_.armed()) idle_timer_.arm_in(options.idle_time);
}

void PoolState::leave_idle(ClientConnection& connection) {
  const auto it = std::ranges::find(idle_, &connection);
  if (it == idle_.end()) return;
  idle_.erase(it);
  --counters.idle;
}

void PoolState::retire(ClientConnection& connection) {
  --counters.open;
  const std::size_t place = connection.place;
  std::swap(connections_[place], connections_.back());
  connections_[place]->place = place;
  retired_.push_back(std::move(connections_.back()));
  connections_.pop_back();
  sweep_.schedule();
}

void PoolState::serve_waiting() {
  while (wait_first_ != nullptr && counters.open < options.connections_max) {
    CallState& next = *wait_first_;
    stop_waiting(next);
    open_connection(next);
  }
}

void PoolState::expire_idle() {
  const auto now = loop.now().monotonic;
  // The front has idled longest.
  while (!idle_.empty() && elapsed(idle_.front()->idle_since, now) >= options.idle_time) {
    idle_.front()->close_now();
  }
  if (!idle_.empty()) idle_timer_.arm(idle_.front()->idle_since + options.idle_time);
}

void PoolState::close_idle() {
  ++generation_;
  while (!idle_.empty()) idle_.back()->close_now();
}

Pool::Pool(Loop& loop, Origin origin, PoolOptions options)
    : state_(std::make_unique<PoolState>(loop, std::move(origin), std::move(options))) {}
Pool::~Pool() = default;

const Origin& Pool::origin() const { return state_->origin; }
void Pool::close_idle() { state_->close_idle(); }
const Pool::Counters& Pool::counters() const { return state_->counters; }

}  // namespace hanse::http
