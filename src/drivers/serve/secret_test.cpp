#include "drivers/serve/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hanse::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SecretTest : public ::testing::Test {
 protected:
  SecretTest()
      : file(std::filesystem::path(::testing::TempDir()) /
             ("hanse_secret_test." + std::to_string(::getpid()))) {}
  ~SecretTest() override { std::filesystem::remove(file); }

  void write(std::string_view text) const { std::ofstream(file, std::ios::binary) << text; }

  std::filesystem::path file;
};

TEST_F(SecretTest, BlanksAndLineEndsAroundItAreNotOfIt) {
  for (const char* text : {"s3cret", "s3cret\n", "s3cret\r\n", " \ts3cret \r\n\n", "\ns3cret"}) {
    write(text);
    EXPECT_EQ(read_admin_token(file).value(), "s3cret");
    EXPECT_EQ(read_secret(file, "credential file").value(), "s3cret");
  }
}

TEST_F(SecretTest, WhatMayNotStandInAHeaderIsRefusedAndNotRepeated) {
  for (const std::string& text : {std::string("s3cret\nsecond"), std::string("s3\rcret"),
                                  std::string("s3cret\0x", 8), std::string("s3\x7F")}) {
    write(text);
    for (const auto& read : {read_admin_token(file), read_secret(file, "credential file")}) {
      ASSERT_FALSE(read);
      EXPECT_THAT(read.error().message, HasSubstr("may not stand in a header"));
      EXPECT_THAT(read.error().message, Not(HasSubstr("s3")));
    }
  }
}

TEST_F(SecretTest, AnAdminTokenIsOneWordOfAscii) {
  for (const char* text : {"two words", "a,b", "gr\xC3\xBCn", "\xEF\xBB\xBFword"}) {
    write(text);
    EXPECT_FALSE(read_admin_token(file)) << text;
  }
}

TEST_F(SecretTest, NothingAndNoFileAreRefused) {
  EXPECT_FALSE(read_admin_token(file));
  write(" \r\n");
  EXPECT_FALSE(read_admin_token(file));
  EXPECT_FALSE(read_secret(std::filesystem::path(::testing::TempDir()), "credential file"));
  EXPECT_EQ(read_admin_token("").value(), "");
}

}  // namespace
}  // namespace hanse::serve
