#include "core/limits/rate_limiter.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace hanse::limits {
namespace {

// The parts of one request or token: a limit of n a minute drains n parts each
// nanosecond.
constexpr __int128 kParts = 60'000'000'000;

Duration shorter(__int128 ns) {
  constexpr auto kMost = static_cast<__int128>(kForever.count());
  return Duration(static_cast<std::int64_t>(std::min(ns, kMost)));
}

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::tenant: return "tenant";
    case Level::project: return "project";
    case Level::key: return "key";
  }
  return "unknown";
}

std::string_view to_string(Limit limit) {
  switch (limit) {
    case Limit::requests_per_minute: return "requests a minute";
    case Limit::tokens_per_minute: return "tokens a minute";
    case Limit::requests_at_once: return "requests at once";
  }
  return "unknown";
}

void RateLimiter::Bucket::drain(std::int64_t limit, MonotonicTime now) {
  const std::int64_t passed = std::max<std::int64_t>(elapsed(drained_at, now).count(), 0);
  const __int128 drained = static_cast<__int128>(passed) * std::max<std::int64_t>(limit, 0);
  used = used > drained ? used - drained : 0;
  drained_at = now;
}

std::optional<Duration> RateLimiter::Bucket::wait(std::int64_t limit, std::int64_t amount) const {
  if (amount > limit) return std::nullopt;
  const __int128 room = static_cast<__int128>(limit) * kParts;
  const __int128 over = used + static_cast<__int128>(amount) * kParts - room;
  // Here `limit` is positive unless nothing is asked for and nothing is used.
  if (over <= 0) return Duration(0);
  if (limit <= 0) return std::nullopt;
  return shorter((over + limit - 1) / limit);
}

void RateLimiter::Bucket::take(std::int64_t amount) {
  used += static_cast<__int128>(amount) * kParts;
}

void RateLimiter::Bucket::give_back(std::int64_t amount) {
  const __int128 parts = static_cast<__int128>(amount) * kParts;
  used = used > parts ? used - parts : 0;
}

RateLimiter::RateLimiter(const Tenants& tenants) { adopt(tenants); }

void RateLimiter::adopt(const Tenants& tenants) {
  tenants_ = &tenants;
  for (Meter& meter : meters_) meter.present = false;
  tenant_meters_.clear();
  project_meters_.clear();
  key_meters_.clear();
  for (const Tenant& row : tenants.tenants) {
    tenant_meters_.push_back(meter(Level::tenant, row.name, row.rates));
  }
  for (const Project& row : tenants.projects) {
    project_meters_.push_back(meter(Level::project, row.name, row.rates));
  }
  for (const Key& row : tenants.keys) {
    key_meters_.push_back(meter(Level::key, row.name, row.rates));
  }
  drop_idle();
}

std::uint32_t RateLimiter::meter(Level level, const std::string& name, const RateLimits& limits) {
  const auto [it, added] = by_name_.try_emplace({level, name}, 0);
  if (added) {
    if (free_.empty()) {
      it->second = static_cast<std::uint32_t>(meters_.size());
      meters_.emplace_back();
    } else {
      it->second = free_.back();
      free_.pop_back();
      meters_[it->second] = Meter();
    }
  }
  meters_[it->second].limits = limits;
  meters_[it->second].present = true;
  return it->second;
}

void RateLimiter::drop_idle() {
  std::erase_if(by_name_, [this](const auto& entry) {
    const Meter& meter = meters_[entry.second];
    if (meter.present || meter.at_once > 0) return false;
    free_.push_back(entry.second);
    return true;
  });
}

std::array<std::uint32_t, 3> RateLimiter::meters_of(KeyId key) const {
  const Key& row = tenants_->keys[key];
  return {tenant_meters_[row.tenant.value()], project_meters_[row.project.value()],
          key_meters_[key.value()]};
}

void RateLimiter::drain(Meter& meter, MonotonicTime now) {
  if (meter.limits.requests_per_minute)
    meter.requests.drain(*meter.limits.requests_per_minute, now);
  if (meter.limits.tokens_per_minute) {
    meter.tokens.drain(meter.limits.tokens_per_minute->count(), now);
  }
}

void RateLimiter::consider(std::optional<RateRefusal>& worst, const RateRefusal& refusal) {
  const auto length = [](const RateRefusal& r) {
    return r.retry_after ? r.retry_after->count() : std::numeric_limits<std::int64_t>::max();
  };
  if (!worst || length(refusal) > length(*worst)) worst = refusal;
}

void RateLimiter::check(const Meter& meter, Level level, Tokens tokens,
                        std::optional<RateRefusal>& worst) {
  const RateLimits& limits = meter.limits;
  if (limits.requests_per_minute) {
    const auto wait = meter.requests.wait(*limits.requests_per_minute, 1);
    if (wait != Duration(0)) {
      consider(worst, {level, Limit::requests_per_minute, *limits.requests_per_minute, wait});
    }
  }
  if (limits.tokens_per_minute) {
    const std::int64_t limit = limits.tokens_per_minute->count();
    const auto wait = meter.tokens.wait(limit, tokens.count());
    if (wait != Duration(0)) consider(worst, {level, Limit::tokens_per_minute, limit, wait});
  }
  if (limits.requests_at_once && meter.at_once >= *limits.requests_at_once) {
    const bool never = *limits.requests_at_once <= 0;
    consider(worst, {level, Limit::requests_at_once, *limits.requests_at_once,
                     never ? std::nullopt : std::optional(kRetryAtOnce)});
  }
}

std::expected<Admission, RateRefusal> RateLimiter::admit(KeyId key, Tokens tokens,
                                                         MonotonicTime now) {
  const Admission admission{meters_of(key), Tokens(std::max<std::int64_t>(tokens.count(), 0))};
  std::optional<RateRefusal> worst;
  for (std::size_t level = 0; level < admission.meters.size(); ++level) {
    Meter& meter = meters_[admission.meters[level]];
    drain(meter, now);
    check(meter, static_cast<Level>(level), admission.taken, worst);
  }
  if (worst) return std::unexpected(*worst);
  for (const std::uint32_t i : admission.meters) {
    Meter& meter = meters_[i];
    meter.at_once += 1;
    if (meter.limits.requests_per_minute) meter.requests.take(1);
    if (meter.limits.tokens_per_minute) meter.tokens.take(admission.taken.count());
  }
  return admission;
}

void RateLimiter::finish(const Admission& admission, Tokens tokens, MonotonicTime now) {
  const Tokens used(std::max<std::int64_t>(tokens.count(), 0));
  bool left_idle = false;
  for (const std::uint32_t i : admission.meters) {
    HANSE_CHECK(i < meters_.size());
    Meter& meter = meters_[i];
    HANSE_CHECK(meter.at_once > 0);
    meter.at_once -= 1;
    left_idle = left_idle || (meter.at_once == 0 && !meter.present);
    if (!meter.limits.tokens_per_minute) continue;
    drain(meter, now);
    if (used > admission.taken) meter.tokens.take((used - admission.taken).count());
    if (used < admission.taken) meter.tokens.give_back((admission.taken - used).count());
  }
  if (left_idle) drop_idle();
}

std::int64_t RateLimiter::at_once(KeyId key) const {
  return meters_[key_meters_[key.value()]].at_once;
}

}  // namespace hanse::limits
