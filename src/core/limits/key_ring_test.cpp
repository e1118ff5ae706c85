#include "core/limits/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hanse::limits {
namespace {

constexpr WallTime kNow{1'000};

KeyId add(Tenants& tenants, std::string name, std::string_view text) {
  Key key;
  key.name = std::move(name);
  key.digest = sha256(text);
  return tenants.keys.add(std::move(key));
}

TEST(KeyRing, FindsAKeyByItsText) {
  Tenants tenants;
  const KeyId laptop = add(tenants, "laptop", "hk-laptop");
  const KeyId server = add(tenants, "server", "hk-server");
  const KeyRing ring = KeyRing::create(tenants).value();
  EXPECT_EQ(ring.authenticate("hk-laptop", kNow), laptop);
  EXPECT_EQ(ring.authenticate("hk-server", kNow), server);
}

// What is wrong with a key is for our records; a stranger who tries keys must
// not learn that one existed.
TEST(KeyRing, UnknownDisabledAndExpiredKeysGetOneAnswer) {
  Tenants tenants;
  tenants.keys[add(tenants, "off", "hk-off")].disabled = true;
  tenants.keys[add(tenants, "old", "hk-old")].valid_to = kNow;
  const KeyRing ring = KeyRing::create(tenants).value();

  EXPECT_EQ(ring.look_up("hk-off", kNow).standing, KeyRing::Standing::disabled);
  EXPECT_EQ(ring.look_up("hk-old", kNow).standing, KeyRing::Standing::expired);
  EXPECT_EQ(ring.look_up("hk-new", kNow).standing, KeyRing::Standing::unknown);
  EXPECT_EQ(ring.look_up("hk-old", WallTime(999)).standing, KeyRing::Standing::valid);

  const Error unknown = ring.authenticate("hk-new", kNow).error();
  EXPECT_EQ(unknown.code, ErrorCode::unauthenticated);
  EXPECT_EQ(unknown.fault, Fault::client);
  EXPECT_EQ(ring.authenticate("hk-off", kNow).error(), unknown);
  EXPECT_EQ(ring.authenticate("hk-old", kNow).error(), unknown);
}

TEST(KeyRing, NothingAndFarTooMuchAreNoKeys) {
  Tenants tenants;
  add(tenants, "empty", "");
  add(tenants, "long", std::string(513, 'x'));
  const KeyRing ring = KeyRing::create(tenants).value();
  EXPECT_FALSE(ring.authenticate("", kNow).has_value());
  EXPECT_FALSE(ring.authenticate(std::string(513, 'x'), kNow).has_value());
  EXPECT_FALSE(ring.authenticate("hk-laptop ", kNow).has_value());
}

TEST(KeyRing, OneTextCannotBeTwoKeys) {
  Tenants tenants;
  add(tenants, "acme/web/laptop", "hk-same");
  add(tenants, "shop/web/till", "hk-same");
  const auto ring = KeyRing::create(tenants);
  ASSERT_FALSE(ring.has_value());
  EXPECT_EQ(ring.error().code, ErrorCode::conflict);
  EXPECT_THAT(ring.error().message, testing::HasSubstr("acme/web/laptop and shop/web/till"));
}

}  // namespace
}  // namespace hanse::limits
