// src/adapters/config/document.h
// A TOML text as a plain tree that knows where everything stands.
//
// The rest of this folder works on this tree and never sees the TOML library:
// the tree can be merged from several files, filled with defaults and brought
// into canonical form, and its users compile fast.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hanse::config {

class Report;

// Where something stands. Lines and columns count from 1, columns in code
// points; line 0 means the whole file.
struct Place {
  std::uint32_t file = 0;  // index into Sources
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 1;  // up to the end of its first line
  std::uint32_t last_line = 0;

  auto operator<=>(const Place&) const = default;
};

struct Member;

struct Node {
  enum class Kind : std::uint8_t {
    table,
    array,
    text,
    integer,
    real,
    boolean,
    date,             // `number`: wall time of its first instant, UTC
    date_time,        // `number`: wall time
    local_date_time,  // without an offset, so no instant
    local_time,
    invalid,  // reported as wrong; no one may use it
  };

  Kind kind = Kind::table;
  Place place;
  std::string text;             // of text; of a number or date, as it is written
  std::int64_t number = 0;      // of integer and boolean; later, of whatever the text means
  std::vector<Member> members;  // of a table, by rising key
  std::vector<Node> items;      // of an array

  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] const Member* find_member(std::string_view key) const;
  Node* find(std::string_view key);
};

struct Member {
  std::string key;
  Place place;  // of the key
  Node value;
};

// "the text \"abc\"", "the integer 4", "a table": for errors. Long text is cut.
std::string describe(const Node& node);

// Appends a key to a dotted path, in quotes where TOML asks for them.
std::string join(std::string_view path, std::string_view key);

// Parses the text of source `file` of `report`. A syntax error goes to the
// report and yields an empty table.
Node parse_document(Report& report, std::uint32_t file);

// Moves what is in `from` into `into`, tables by key. A key that both give a
// value is reported with both places.
void merge(Node& into, Node&& from, std::string_view path, Report& report);

}  // namespace hanse::config
