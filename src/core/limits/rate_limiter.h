// src/core/limits/rate_limiter.h
// How fast may this key go? Requests a minute, tokens a minute and requests at
// once, of the tenant, the project and the key together.
//
// A request is admitted by all three levels or by none. Each rate is a bucket
// that holds one minute's worth and drains evenly, reckoned in exact integers:
// one token is 60e9 parts, of which `limit` drain each nanosecond. Tokens are
// taken on admission as far as the request can reach, and set right when the
// true number is known; who used more than was taken waits until it has
// drained.
//
// Budgets are not here: they are money, and the ledger's.
//
// Plain state: no I/O, no clock, no threads. One limiter belongs to one shard
// and outlives snapshots. Bounded by tenants, projects and keys, and those that
// a new snapshot dropped while they had requests under way.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "core/limits/tenants.h"

namespace hanse::limits {

enum class Level : std::uint8_t { tenant, project, key };
enum class Limit : std::uint8_t { requests_per_minute, tokens_per_minute, requests_at_once };

std::string_view to_string(Level level);
std::string_view to_string(Limit limit);  // with a number before it: "tokens a minute"

// The limit that stands longest in the way.
struct RateRefusal {
  Level level = Level::tenant;
  Limit limit = Limit::requests_per_minute;
  std::int64_t allowed = 0;
  // Until it may work; nothing when this request never can.
  std::optional<Duration> retry_after;

  bool operator==(const RateRefusal&) const = default;
};

// One request that is under way. Ends with exactly one finish().
struct Admission {
  std::array<std::uint32_t, 3> meters{};  // by Level
  Tokens taken{0};
};

class RateLimiter {
 public:
  // Who waits for another request to end does not know when it will.
  static constexpr Duration kRetryAtOnce = seconds(1);

  // Requires: `tenants` lives until the next adopt().
  explicit RateLimiter(const Tenants& tenants);

  // Lets a request in that can use up to `tokens`. A refusal changes nothing.
  // Requires: `now` never goes back.
  std::expected<Admission, RateRefusal> admit(KeyId key, Tokens tokens, MonotonicTime now);

  // It ended, however it did, having used `tokens`.
  void finish(const Admission& admission, Tokens tokens, MonotonicTime now);

  // A new snapshot: new limits hold at once, what was used stays used, and
  // admissions stay good. Meters are told apart by name.
  void adopt(const Tenants& tenants);

  // Requests under way. Requires: `key` is of the present snapshot.
  [[nodiscard]] std::int64_t at_once(KeyId key) const;

 private:
  // What was used lately, in 1/60e9 of one.
  struct Bucket {
    __int128 used = 0;
    MonotonicTime drained_at;

    void drain(std::int64_t limit, MonotonicTime now);
    // Nothing: never; zero: now.
    [[nodiscard]] std::optional<Duration> wait(std::int64_t limit, std::int64_t amount) const;
    void take(std::int64_t amount);
    void give_back(std::int64_t amount);
  };
  struct Meter {
    RateLimits limits;
    Bucket requests;
    Bucket tokens;
    std::int64_t at_once = 0;
    bool present = false;  // in the present snapshot
  };
  using Name = std::pair<Level, std::string>;

  [[nodiscard]] std::array<std::uint32_t, 3> meters_of(KeyId key) const;
  std::uint32_t meter(Level level, const std::string& name, const RateLimits& limits);
  static void drain(Meter& meter, MonotonicTime now);
  static void consider(std::optional<RateRefusal>& worst, const RateRefusal& refusal);
  static void check(const Meter& meter, Level level, Tokens tokens,
                    std::optional<RateRefusal>& worst);
  void drop_idle();

  const Tenants* tenants_ = nullptr;
  std::vector<Meter> meters_;
  std::vector<std::uint32_t> free_;
  std::map<Name, std::uint32_t> by_name_;
  // Positions in meters_, by the ids of the present snapshot.
  std::vector<std::uint32_t> tenant_meters_;
  std::vector<std::uint32_t> project_meters_;
  std::vector<std::uint32_t> key_meters_;
};

}  // namespace hanse::limits
