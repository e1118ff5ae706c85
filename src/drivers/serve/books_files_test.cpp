#include "drivers/serve/books_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hanse::serve {
namespace {

using std::filesystem::perms;

class DataDirTest : public ::testing::Test {
 protected:
  DataDirTest()
      : folder(std::filesystem::path(::testing::TempDir()) /
               ("hanse_data_dir_test." + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder);
  }
  ~DataDirTest() override { std::filesystem::remove_all(folder); }

  std::filesystem::path folder;
};

TEST_F(DataDirTest, ANewOneIsForItsOwnerAlone) {
  for (const auto& made : {folder / "a" / "data", folder / "b" / "data" / ""}) {
    ASSERT_TRUE(make_data_dir(made));
    EXPECT_EQ(std::filesystem::status(made).permissions(), perms::owner_all) << made;
  }
}

TEST_F(DataDirTest, OneThatIsThereStaysAsItIs) {
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, perms::owner_all | perms::group_read);
  ASSERT_TRUE(make_data_dir(folder));
  EXPECT_EQ(std::filesystem::status(folder).permissions(), perms::owner_all | perms::group_read);
}

TEST_F(DataDirTest, AFileInItsPlaceIsNamed) {
  std::ofstream(folder) << "x";
  const Status made = make_data_dir(folder);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find(folder.string()), std::string::npos);
}

}  // namespace
}  // namespace hanse::serve
