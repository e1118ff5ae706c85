// src/adapters/config/conform.h
// Judges a whole document by the schema.
//
// Afterwards every value that was not reported is in canonical form, defaults
// are filled in, and what was reported is marked invalid, so that the readers
// behind it ask no more than "is it there?".
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/config/convert.h"
#include "adapters/config/document.h"
#include "adapters/config/report.h"
#include "adapters/config/schema.h"

namespace hanse::config {

class Conformer {
 public:
  // Whether all files could be parsed. If not, what is missing here may stand
  // there, and its absence is not reported.
  enum class Files : std::uint8_t { all, some };

  // Requires: report and root outlive it.
  Conformer(Node& root, Report& report, Files files);

  void run();

 private:
  // A table, what it should be, and where it is.
  struct Table {
    Node& node;
    const SchemaNode& schema;
    std::string path;
    Place place;            // of its name
    std::string_view name;  // its last segment
  };

  void conform_table(const Table& table);
  // Whether the table is what its name says: false where a name with a dot
  // was split, so that what is missing in its parts would only be noise.
  bool conform_members(const Table& table, std::vector<std::string_view>& strangers);
  void conform_member(Member& member, const SchemaNode& schema, std::string path);
  void conform_tables(Node& list, const SchemaNode& schema, const std::string& path);
  void check_name(const Member& member, const SchemaNode& parent, const std::string& path);
  void check_reference(const Node& node, const Key& key, const std::string& path);
  void check_known(std::string_view name, std::string_view top_table, const Place& place,
                   const std::string& path);
  bool report_stranger(const Table& table, Member& member);
  void fill(const Table& table, const std::vector<std::string_view>& strangers);
  void fill_one(const Table& table, std::string_view name, const SchemaNode& schema,
                const std::vector<std::string_view>& strangers);
  void settle_path(Node& node, const Key& key) const;
  void reject(Node& node, const std::string& path, Trouble trouble);

  Node& root_;
  Report& report_;
  Files files_;
  // The names that each top table defines.
  std::map<std::string, std::vector<std::string>, std::less<>> defined_;
};

// The folder of source `file`, as its name says it.
std::filesystem::path folder_of(const Sources& sources, std::uint32_t file);

}  // namespace hanse::config
