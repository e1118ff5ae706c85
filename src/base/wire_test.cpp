#include "base/wire.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>

namespace hanse {
namespace {

template <typename Write>
std::string written(Write write) {
  std::string out;
  {
    WireWriter writer(out);
    write(writer);
  }
  return out;
}

TEST(Wire, SmallNumbersTakeOneByte) {
  EXPECT_EQ(written([](WireWriter& out) { out.varint(0); }), std::string(1, '\0'));
  EXPECT_EQ(written([](WireWriter& out) { out.varint(127); }).size(), 1U);
  EXPECT_EQ(written([](WireWriter& out) { out.varint(128); }).size(), 2U);
  EXPECT_EQ(written([](WireWriter& out) { out.zigzag(-1); }), "\x01");
  EXPECT_EQ(written([](WireWriter& out) { out.zigzag(63); }).size(), 1U);
  EXPECT_EQ(
      written([](WireWriter& out) { out.zigzag(std::numeric_limits<std::int64_t>::min()); }).size(),
      10U);
}

TEST(Wire, FixedNumbersAreLittleEndian) {
  EXPECT_EQ(written([](WireWriter& out) { out.fixed32(0x04030201); }), "\x01\x02\x03\x04");
  EXPECT_EQ(written([](WireWriter& out) { out.fixed64(0x0807060504030201); }),
            "\x01\x02\x03\x04\x05\x06\x07\x08");
}

TEST(Wire, AppendsBehindWhatIsThereAndLeavesNothingElse) {
  std::string out = "head";
  {
    WireWriter writer(out);
    writer.text("tail");
  }
  EXPECT_EQ(out, "head\x04tail");
}

TEST(Wire, AReusedStringIsNotAllocatedAgain) {
  std::string out;
  const auto write = [&] {
    WireWriter writer(out);
    for (std::uint64_t i = 0; i < 1'000; ++i) writer.varint(i * i);
  };
  write();
  const char* before = out.data();
  out.clear();
  write();
  EXPECT_EQ(out.data(), before);
}

RC_GTEST_PROP(Wire, WhatWasWrittenIsRead,
              (std::uint64_t a, std::int64_t b, std::uint32_t c, std::uint64_t d, std::uint8_t e,
               const std::string& f, const std::string& g)) {
  const std::string bytes = written([&](WireWriter& out) {
    out.varint(a);
    out.zigzag(b);
    out.fixed32(c);
    out.fixed64(d);
    out.byte(e);
    out.text(f);
    out.raw(g);
  });
  WireReader in(bytes);
  RC_ASSERT(in.varint() == a);
  RC_ASSERT(in.zigzag() == b);
  RC_ASSERT(in.fixed32() == c);
  RC_ASSERT(in.fixed64() == d);
  RC_ASSERT(in.byte() == e);
  RC_ASSERT(in.text(f.size()) == f);
  RC_ASSERT(in.raw(g.size()) == g);
  RC_ASSERT(in.finish().has_value());
}

RC_GTEST_PROP(Wire, ShiftedNumbersAreReadAtEveryLength, (std::uint64_t seed)) {
  const std::uint64_t value = seed >> *rc::gen::inRange(0U, 64U);
  const std::string bytes = written([&](WireWriter& out) { out.varint(value); });
  WireReader in(bytes);
  RC_ASSERT(in.varint() == value);
  RC_ASSERT(in.finish().has_value());
}

RC_GTEST_PROP(Wire, AnyBytesAreANumberOrAnErrorAndOnlyOneEncodingIsTaken,
              (const std::string& bytes)) {
  WireReader in(bytes);
  const std::uint64_t value = in.varint();
  if (!in.ok()) {
    RC_ASSERT(value == 0U);
    return;
  }
  RC_ASSERT(written([&](WireWriter& out) { out.varint(value); }) == bytes.substr(0, in.offset()));
}

TEST(Wire, ANumberWithNeedlessBytesIsRefused) {
  WireReader in(std::string_view("\x80\x00", 2));
  EXPECT_EQ(in.varint(), 0U);
  EXPECT_FALSE(in.ok());
}

TEST(Wire, ANumberOfMoreThan64BitsIsRefused) {
  const std::string bytes = std::string(9, '\xFF') + "\x02";
  WireReader in(bytes);
  EXPECT_EQ(in.varint(), 0U);
  EXPECT_FALSE(in.ok());
}

TEST(Wire, TheFirstFailureStaysAndNothingMovesAfterIt) {
  WireReader in("\x05six");
  EXPECT_EQ(in.text(100), "");
  EXPECT_EQ(in.byte(), 0U);
  EXPECT_EQ(in.offset(), 1U);
  const Status status = in.finish();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::broken);
  EXPECT_EQ(status.error().message, "damaged at byte 1: bytes are missing");
}

TEST(Wire, ACountPastItsBoundIsRefusedBeforeAnythingIsRead) {
  WireReader in("\x7F");
  EXPECT_EQ(in.up_to(8), 0U);
  EXPECT_FALSE(in.ok());
}

TEST(Wire, BytesThatAreLeftOverAreAFailure) {
  WireReader in("\x01\x02");
  EXPECT_EQ(in.varint(), 1U);
  EXPECT_TRUE(in.status().has_value());
  EXPECT_FALSE(in.finish().has_value());
}

}  // namespace
}  // namespace hanse
