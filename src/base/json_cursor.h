// src/base/json_cursor.h
// A strict walk over JSON bytes, for code that splices and never rewrites.
//
// What a gateway forwards it must have checked entirely: a value that is
// merely skipped must be valid too, or a broken one reaches the other side.
// So there is one pass that validates everything it passes over (grammar,
// escapes, UTF-8, depth) and hands out views of the bytes as they stand. It
// needs no memory and no padding behind the text, so that every stream may
// have one at no cost. Measured against simdjson's On-Demand walking the same
// values: see bench/codec_bench.cpp. Both agree on what is valid; a fuzz
// target holds them against each other.
//
// The first error sticks: every call after it returns false, so a reader may
// check once at its end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hanse {

enum class JsonType : std::uint8_t {
  object,
  array,
  string,
  number,
  boolean,
  null,
  nothing,  // the text is over, or the next byte begins no value
};

// A string as it stands between its quotes.
struct JsonString {
  std::string_view raw;
  bool escaped = false;  // holds at least one backslash

  // Whether it says `plain`, escapes undone.
  [[nodiscard]] bool says(std::string_view plain) const {
    return escaped ? says_escaped(plain) : raw == plain;
  }

 private:
  [[nodiscard]] bool says_escaped(std::string_view plain) const;
};

// Appends the text that `raw` stands for. Halves of surrogate pairs that stand
// alone become U+FFFD.
// Requires: `raw` is the inside of a valid JSON string.
void append_json_unescaped(std::string_view raw, std::string& out);
// The bytes that append_json_unescaped() would append.
std::size_t json_unescaped_size(const JsonString& string);

// Appends `text` as the inside of a JSON string. Bytes that are not UTF-8
// become U+FFFD.
void append_json_escaped(std::string_view text, std::string& out);

// Nothing for a number that is not an integer of 64 bits, such as 1.0 or 1e3.
std::optional<std::int64_t> json_integer(std::string_view number);

struct JsonError {
  std::size_t offset = 0;
  std::string_view what;  // "a ':' was expected"
};

// Where a byte stands for a person: lines and columns count from 1, columns in
// bytes.
struct JsonPlace {
  std::size_t line = 1;
  std::size_t column = 1;
};
JsonPlace json_place(std::string_view text, std::size_t offset);

struct JsonRules {
  std::uint32_t depth_max = 256;  // levels; at most 256
  // An engine may split a surrogate pair between two events.
  bool lone_surrogates_allowed = false;
};

class JsonCursor {
 public:
  static constexpr std::uint32_t kDepthMax = 256;

  // Requires: `text` is shorter than 4 GiB and outlives the cursor.
  explicit JsonCursor(std::string_view text, JsonRules rules = {});

  // Skips blanks and looks at the next value.
  JsonType peek();
  // Where the next byte is read. After peek(): where the value begins.
  [[nodiscard]] std::uint32_t offset() const { return static_cast<std::uint32_t>(next_ - begin_); }

  // Values. Each fails when the next value is of another type.
  bool read_string(JsonString& out);
  bool read_number(std::string_view& out);
  bool read_boolean(bool& out);
  bool read_null();
  // Passes over the next value, whatever it is, and all in it.
  bool skip();

  // `{` or `[`, and then members or elements until false. `first` is the
  // caller's, true at the beginning. After the last one the bracket is read.
  bool open_object();
  bool open_array();
  bool next_member(bool& first, JsonString& name);
  bool next_element(bool& first);

  // Whether only blanks are left. Else an error.
  bool at_end();

  // Where it stands in the text.
  [[nodiscard]] const char* here() const { return next_; }

  [[nodiscard]] bool failed() const { return error_.what.data() != nullptr; }
  [[nodiscard]] const JsonError& error() const { return error_; }
  // Sets the error to `what` here, unless there is one. Returns false.
  bool fail(std::string_view what) { return fail_there(next_, what); }
  bool fail_at(std::uint32_t offset, std::string_view what) {
    return fail_there(begin_ + offset, what);
  }

 private:
  bool fail_there(const char* where, std::string_view what);
  void skip_blanks();
  bool read_name(JsonString& name);
  bool read_literal(std::string_view literal);
  bool enter(char bracket);
  bool skip_scalar(JsonType type);
  bool read_escape(const char*& p);
  bool read_unit(const char*& p, std::uint32_t& unit);
  bool read_utf8(const char*& p);

  const char* begin_;
  const char* next_;
  const char* end_;
  JsonRules rules_;
  std::uint32_t depth_ = 0;
  JsonError error_;
};

// for (JsonString name; object.next(name);) ...
class JsonObject {
 public:
  explicit JsonObject(JsonCursor& json) : json_(json), open_(json.open_object()) {}
  bool next(JsonString& name) { return open_ && json_.next_member(first_, name); }

 private:
  JsonCursor& json_;
  bool open_;
  bool first_ = true;
};

class JsonArray {
 public:
  explicit JsonArray(JsonCursor& json) : json_(json), open_(json.open_array()) {}
  bool next() { return open_ && json_.next_element(first_); }

 private:
  JsonCursor& json_;
  bool open_;
  bool first_ = true;
};

}  // namespace hanse
