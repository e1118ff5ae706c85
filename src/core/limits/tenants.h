// src/core/limits/tenants.h
// Who asks and pays: tenants, their projects, their keys, and the limits on
// each. Part of a snapshot: built once, never changed after.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/id.h"
#include "base/money.h"
#include "base/table.h"
#include "base/time.h"
#include "core/fleet/country.h"

namespace hanse::limits {

// Nothing = no limit of its own.
struct RateLimits {
  std::optional<std::int64_t> requests_per_minute;
  std::optional<Tokens> tokens_per_minute;
  std::optional<std::int64_t> requests_at_once;
};

// Where an answer that breaks in mid-stream may be gone on with.
enum class Rescue : std::uint8_t {
  never,         // the client is told
  same_variant,  // where the same weights are served
  any_variant,   // the same weights first, then any that the alias has
};
std::string_view to_string(Rescue rescue);

struct Tenant {
  std::string name;
  std::string title;
  std::optional<fleet::Code> home;
  PolicyId policy;
  std::uint64_t default_labels = 0;  // bits of a gate::LabelSet
  PriceBookId price_book;
  std::optional<Money> budget;
  RateLimits rates;
  Tokens output_tokens_default{0};  // when a request names no limit
  Rescue rescue = Rescue::any_variant;
  // Of two tenants whose requests wait, the share of what is served.
  std::int64_t weight = 1;
  bool idempotency_keys = false;  // its requests may carry an Idempotency-Key
};

struct Project {
  std::string name;  // "<tenant>/<project>", unique
  TenantId tenant;
  std::optional<Money> budget;
  RateLimits rates;
};

struct Key {
  std::string name;  // "<tenant>/<project>/<key>", unique
  ProjectId project;
  TenantId tenant;
  Sha256 digest;  // of the key's text; the key itself is nowhere
  std::optional<Money> budget;
  RateLimits rates;
  std::optional<ClassId> latency_class;
  std::optional<WallTime> valid_to;
  bool may_relax = false;  // may remove labels that the tenant's default sets
  bool disabled = false;
};

struct Tenants {
  Table<TenantId, Tenant> tenants;
  Table<ProjectId, Project> projects;
  Table<KeyId, Key> keys;
};

}  // namespace hanse::limits
