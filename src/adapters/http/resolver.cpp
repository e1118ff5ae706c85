#include "adapters/http/resolver.h"

#include <netdb.h>

#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "adapters/http/loop.h"
#include "base/check.h"

namespace hanse::http {

namespace {

constexpr unsigned kWorkersMax = 4;
constexpr std::size_t kNamesMax = 4096;
// How long the last good answer outlives its time when no new one comes.
constexpr Duration kStaleUse = seconds(600);

std::optional<Endpoint> literal(std::string_view host) {
  const bool v6 = host.find(':') != std::string_view::npos;
  const bool digits = !host.empty() && host.back() >= '0' && host.back() <= '9';
  if (!v6 && !digits) return std::nullopt;
  auto parsed = Endpoint::parse(v6 ? fmt::format("[{}]:0", host) : fmt::format("{}:0", host));
  if (!parsed) return std::nullopt;
  return *parsed;
}

}  // namespace

Result<Addresses> ask_system_resolver(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return fail({ErrorCode::unavailable, Fault::upstream, Retry::elsewhere,
                 fmt::format("the name {} was not resolved: {}", host, gai_strerror(error))});
  }
  Addresses addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    addresses.emplace_back(at->ai_addr, at->ai_addrlen);
  }
  freeaddrinfo(found);
  return addresses;
}

// Shared with threads that may still wait for the system when the loop is
// gone; they find `loop` empty then and throw their answer away.
struct Resolver::Workers {
  std::mutex mutex;
  Loop* loop = nullptr;
  Resolver* resolver = nullptr;
  Ask ask = ask_system_resolver;
  std::deque<std::string> queue;
  unsigned running = 0;

  static void work(const std::shared_ptr<Workers>& self) {
    std::unique_lock lock(self->mutex);
    while (self->loop != nullptr && !self->queue.empty()) {
      const std::string host = std::move(self->queue.front());
      self->queue.pop_front();
      const Ask ask = self->ask;
      lock.unlock();
      auto answer = ask(host);
      lock.lock();
      if (self->loop == nullptr) break;
      self->loop->post([self, host, answer = std::move(answer)]() mutable {
        // On the loop's thread, where the resolver cannot vanish meanwhile.
        if (self->resolver != nullptr) self->resolver->answered(host, std::move(answer));
      });
    }
    --self->running;
  }
};

Lookup::~Lookup() { stop_waiting(); }

void Lookup::stop_waiting() {
  if (previous_next_ == nullptr) return;
  *previous_next_ = next_;
  if (next_ != nullptr) next_->previous_next_ = previous_next_;
  previous_next_ = nullptr;
  next_ = nullptr;
}

Resolver::Resolver(Loop& loop, Duration ttl, Duration failure_ttl)
    : loop_(loop), ttl_(ttl), failure_ttl_(failure_ttl), workers_(std::make_shared<Workers>()) {
  workers_->loop = &loop;
  workers_->resolver = this;
}

Resolver::~Resolver() {
  const std::lock_guard lock(workers_->mutex);
  workers_->loop = nullptr;
  workers_->resolver = nullptr;
  for (auto& [host, name] : names_) {
    while (name.waiting != nullptr) name.waiting->stop_waiting();
  }
}

void Resolver::set_ask(Ask ask) {
  const std::lock_guard lock(workers_->mutex);
  workers_->ask = std::move(ask);
}

const Addresses* Resolver::known(std::string_view host) {
  auto it = names_.find(host);
  if (it == names_.end()) {
    const auto address = literal(host);
    if (!address) return nullptr;
    it = names_.emplace(host, Name{}).first;
    it->second.addresses.push_back(*address);
    it->second.fresh_until = MonotonicTime(kForever.count());
  }
  const Name& name = it->second;
  const bool fresh = !name.addresses.empty() && loop_.now().monotonic < name.fresh_until;
  return fresh ? &name.addresses : nullptr;
}

void Resolver::resolve(std::string_view host, Lookup& lookup) {
  HANSE_CHECK(lookup.previous_next_ == nullptr);
  if (names_.size() >= kNamesMax && !names_.contains(host)) {
    // Names come from the configuration, so this is a bound, not a policy.
    std::erase_if(names_, [](const auto& entry) { return entry.second.waiting == nullptr; });
  }
  auto it = names_.find(host);
  if (it == names_.end()) it = names_.emplace(host, Name{}).first;
  Name& name = it->second;
  lookup.next_ = name.waiting;
  lookup.previous_next_ = &name.waiting;
  if (name.waiting != nullptr) name.waiting->previous_next_ = &lookup.next_;
  name.waiting = &lookup;
  if (name.asked) return;
  name.asked = true;
  if (loop_.now().monotonic < name.fresh_until) {
    // A known answer, good or bad, told from the loop like any other.
    Result<Addresses> answer(name.addresses);
    if (name.failed) answer = fail(name.error);
    loop_.post([self = workers_, key = it->first, answer = std::move(answer)]() mutable {
      if (self->resolver != nullptr) self->resolver->answered(key, std::move(answer));
    });
    return;
  }
  const std::lock_guard lock(workers_->mutex);
  workers_->queue.push_back(it->first);
  if (workers_->running < kWorkersMax) {
    ++workers_->running;
    std::thread([self = workers_] { Workers::work(self); }).detach();
  }
}

void Resolver::answered(const std::string& host, Result<Addresses> answer) {
  const auto it = names_.find(host);
  if (it == names_.end()) return;
  Name& name = it->second;
  const auto now = loop_.now().monotonic;
  name.asked = false;
  if (answer && answer->empty()) {
    answer = fail({ErrorCode::unavailable, Fault::upstream, Retry::elsewhere,
                   fmt::format("the name {} has no address", host)});
  }
  const bool already_known = now < name.fresh_until;
  if (answer) {
    name.addresses = *answer;
    name.failed = false;
    if (!already_known) name.fresh_until = now + ttl_;
    name.usable_until = name.fresh_until + kStaleUse;
  } else if (!name.addresses.empty() && now < name.usable_until) {
    name.fresh_until = now + failure_ttl_;
    answer = name.addresses;
  } else {
    name.addresses.clear();
    name.failed = true;
    name.error = answer.error();
    if (!already_known) name.fresh_until = now + failure_ttl_;
  }
  // Who asks again inside the callback waits for the next answer.
  Lookup* waiting = std::exchange(name.waiting, nullptr);
  if (waiting != nullptr) waiting->previous_next_ = &waiting;
  while (waiting != nullptr) {
    Lookup* lookup = waiting;
    lookup->stop_waiting();
    lookup->on_resolved(answer);
  }
}

}  // namespace hanse::http
