#include "core/limits/key_ring.h"

#include <fmt/format.h>

#include <algorithm>

namespace hanse::limits {

Result<KeyRing> KeyRing::create(const Tenants& tenants) {
  KeyRing ring(tenants);
  tenants.keys.for_each(
      [&](KeyId id, const Key& key) { ring.entries_.push_back({key.digest, id}); });
  std::ranges::sort(ring.entries_);
  const auto twin = std::ranges::adjacent_find(ring.entries_, {}, &Entry::digest);
  if (twin != ring.entries_.end()) {
    return fail(
        {ErrorCode::conflict, Fault::client, Retry::no,
         fmt::format("the keys {} and {} have the same digest: one key cannot belong to two",
                     tenants.keys[twin->key].name, tenants.keys[std::next(twin)->key].name)});
  }
  return ring;
}

KeyRing::Lookup KeyRing::look_up(std::string_view presented, WallTime now) const {
  if (presented.empty() || presented.size() > kKeyLengthMax) return {};
  const Sha256 digest = sha256(presented);
  const auto it = std::ranges::lower_bound(entries_, digest, {}, &Entry::digest);
  if (it == entries_.end() || it->digest != digest) return {};
  const Key& key = tenants_->keys[it->key];
  if (key.disabled) return {Standing::disabled, it->key};
  if (key.valid_to && *key.valid_to <= now) return {Standing::expired, it->key};
  return {Standing::valid, it->key};
}

Result<KeyId> KeyRing::authenticate(std::string_view presented, WallTime now) const {
  const Lookup found = look_up(presented, now);
  if (found.standing == Standing::valid) return found.key;
  return fail(
      {ErrorCode::unauthenticated, Fault::client, Retry::no, "the API key is not valid here"});
}

std::string_view to_string(KeyRing::Standing standing) {
  switch (standing) {
    case KeyRing::Standing::valid: return "valid";
    case KeyRing::Standing::unknown: return "unknown";
    case KeyRing::Standing::disabled: return "disabled";
    case KeyRing::Standing::expired: return "expired";
  }
  return "unknown";
}

}  // namespace hanse::limits
