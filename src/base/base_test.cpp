#include <gtest/gtest.h>

#include "base/bitset.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/time.h"

namespace hanse {
namespace {

TEST(Digest, AgreesWithThePublishedVectors) {
  // FIPS 180-4 examples.
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256({"a", "bc"}), sha256("abc"));
}

TEST(Digest, HexRoundTripsAndRefusesTheRest) {
  const Sha256 digest = sha256("abc");
  EXPECT_EQ(sha256_from_hex(to_hex(digest)), digest);
  EXPECT_FALSE(sha256_from_hex("ba78"));
  EXPECT_FALSE(sha256_from_hex(std::string(64, 'g')));
}

TEST(RunDigest, OrderAndBoundariesMatter) {
  const auto of = [](std::initializer_list<std::string_view> parts) {
    RunDigest digest;
    for (const auto part : parts) digest.add(part);
    return digest.value();
  };
  EXPECT_NE(of({"a", "b"}), of({"b", "a"}));
  EXPECT_NE(of({"ab", "c"}), of({"a", "bc"}));
  EXPECT_EQ(of({"ab", "c"}), of({"ab", "c"}));
}

TEST(Time, PrintsIsoDatesIncludingLeapDaysAndYearsBefore1970) {
  EXPECT_EQ(to_iso8601(WallTime(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(WallTime(1'709'210'096'250'000'000)), "2024-02-29T12:34:56.250Z");
  EXPECT_EQ(to_iso8601(WallTime(-1'000'000)), "1969-12-31T23:59:59.999Z");
}

TEST(Random, SameSeedSameDrawsAndForksDoNotDependOnLaterDraws) {
  Random a(7);
  Random b(7);
  Random fork_a = a.fork();
  Random fork_b = b.fork();
  for (int i = 0; i < 100; ++i) {
    (void)b.next();
    EXPECT_EQ(fork_a.next(), fork_b.next());
  }
}

TEST(BitSet, FullHasNoMembersPastItsSize) {
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 130U}) {
    EXPECT_EQ(BitSet::full(size).count(), size);
  }
  BitSet set = BitSet::full(130);
  BitSet odd(130);
  for (std::size_t i = 1; i < 130; i += 2) odd.insert(i);
  set -= odd;
  std::size_t expected = 0;
  set.for_each([&](std::size_t i) {
    EXPECT_EQ(i, expected);
    expected += 2;
  });
  EXPECT_EQ(expected, 130U);
}

TEST(BitSet, GrowsWithWhatIsNewLeftOut) {
  BitSet set = BitSet::full(60);
  set.grow(130);
  EXPECT_EQ(set.size(), 130U);
  EXPECT_EQ(set.count(), 60U);
  EXPECT_FALSE(set.contains(60) || set.contains(129));
  set.insert(129);
  EXPECT_TRUE(set.contains(129));
}

}  // namespace
}  // namespace hanse
