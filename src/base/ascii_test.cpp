#include "base/ascii.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/bytes.h"
#include "base/decimal.h"

namespace hanse {
namespace {

TEST(Ascii, OnlyItsOwnLettersHaveACase) {
  EXPECT_EQ(in_lower_case("AZaz@[`{09-\xC4\xE4"), "azaz@[`{09-\xC4\xE4");
  EXPECT_TRUE(equal_but_for_case("Content-Length", "cONTENT-lENGTH"));
  EXPECT_FALSE(equal_but_for_case("@", "`"));
  EXPECT_FALSE(equal_but_for_case("a", "ab"));
  EXPECT_TRUE(equal_but_for_case("", ""));
}

TEST(Ascii, EveryByteIsADigitALetterOrNeither) {
  int digits = 0;
  int letters = 0;
  int hex = 0;
  int lower_hex = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    digits += is_digit(c) ? 1 : 0;
    letters += is_letter(c) ? 1 : 0;
    hex += hex_value(c) >= 0 ? 1 : 0;
    lower_hex += lower_hex_value(c) >= 0 ? 1 : 0;
    EXPECT_FALSE(is_digit(c) && is_letter(c));
  }
  EXPECT_EQ(digits, 10);
  EXPECT_EQ(letters, 52);
  EXPECT_EQ(hex, 22);
  EXPECT_EQ(lower_hex, 16);
}

TEST(Ascii, HexDigitsStandForTheirPlace) {
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(lower_hex_value(kHexDigits[static_cast<std::size_t>(i)]), i);
  }
  EXPECT_EQ(hex_value('F'), 15);
  EXPECT_EQ(lower_hex_value('F'), -1);
}

TEST(Ascii, BlanksAreTakenOffBothEndsOnly) {
  EXPECT_EQ(trimmed(" \t a b\t "), "a b");
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed(" \t "), "");
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed("\na\n"), "\na\n");
  EXPECT_EQ(trimmed("\r\na\n", kBlanksAndLineEnds), "a");
}

std::string decimal(std::int64_t number, unsigned decimals) {
  std::string out;
  append_decimal(number, decimals, out);
  return out;
}

TEST(Decimal, IsExactAndShort) {
  EXPECT_EQ(decimal(1'500, 3), "1.5");
  EXPECT_EQ(decimal(-7, 3), "-0.007");
  EXPECT_EQ(decimal(2'000, 3), "2");
  EXPECT_EQ(decimal(0, 9), "0");
  EXPECT_EQ(decimal(42, 0), "42");
  EXPECT_EQ(decimal(std::numeric_limits<std::int64_t>::min(), 9), "-9223372036.854775808");
}

TEST(Ascii, AWordIsMadeSmallByteByByte) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (const unsigned beside : {0U, unsigned{'Z'}, 0x7FU, 0x80U, 0xFFU}) {
      std::string text(8, static_cast<char>(beside));
      text[3] = static_cast<char>(byte);
      EXPECT_EQ(lower_case(first_word(text)), first_word(in_lower_case(text))) << byte;
    }
  }
}

}  // namespace
}  // namespace hanse
