// src/core/limits/key_ring.h
// Whose key is this? Keys are stored as digests, so the ring can tell a key
// that it has seen from one it has not, and nothing else.
//
// A presented key is hashed before anything is compared. How long the search
// takes depends on the digest, which nobody can steer without already knowing
// the key, so it needs no constant time.
//
// Plain state: no I/O, no clock, no threads.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"
#include "core/limits/tenants.h"

namespace hanse::limits {

class KeyRing {
 public:
  // No key of ours is longer; what is, is not hashed.
  static constexpr std::size_t kKeyLengthMax = 512;

  // Requires: `tenants` outlives the ring.
  // Fails: conflict when two keys have one digest, naming both.
  static Result<KeyRing> create(const Tenants& tenants);

  enum class Standing : std::uint8_t { valid, unknown, disabled, expired };

  struct Lookup {
    Standing standing = Standing::unknown;
    KeyId key;  // not valid when unknown
  };
  // For records and metrics: what is wrong with a key is our business.
  [[nodiscard]] Lookup look_up(std::string_view presented, WallTime now) const;

  // For the client, who is told the same whatever is wrong with it.
  // Fails: unauthenticated.
  [[nodiscard]] Result<KeyId> authenticate(std::string_view presented, WallTime now) const;

 private:
  struct Entry {
    Sha256 digest;
    KeyId key;

    auto operator<=>(const Entry&) const = default;
  };

  explicit KeyRing(const Tenants& tenants) : tenants_(&tenants) {}

  const Tenants* tenants_;
  std::vector<Entry> entries_;  // rising by digest
};

std::string_view to_string(KeyRing::Standing standing);

}  // namespace hanse::limits
