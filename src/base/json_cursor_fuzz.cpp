// Holds our walk over JSON against simdjson's: what one takes and the other
// refuses is a request that a gateway and an engine read differently.

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json_cursor.h"

namespace hanse {
namespace {

void check_string(const JsonString& text) {
  std::string plain;
  append_json_unescaped(text.raw, plain);
  HANSE_CHECK(plain.size() == json_unescaped_size(text));
  HANSE_CHECK(text.says(plain));
  std::string again = "\"";
  append_json_escaped(plain, again);
  again += '"';
  JsonCursor json(again);
  JsonString reread;
  HANSE_CHECK(json.read_string(reread) && json.at_end() && reread.says(plain));
}

// Reads every value by its type; true when the whole is valid.
bool read_all(JsonCursor& json) {
  switch (json.peek()) {
    case JsonType::object: {
      JsonObject object(json);
      for (JsonString name; object.next(name);) {
        check_string(name);
        if (!read_all(json)) return false;
      }
      return !json.failed();
    }
    case JsonType::array: {
      for (JsonArray array(json); array.next();) {
        if (!read_all(json)) return false;
      }
      return !json.failed();
    }
    case JsonType::string: {
      JsonString text;
      if (!json.read_string(text)) return false;
      check_string(text);
      return true;
    }
    default: return json.skip();
  }
}

void check(std::string_view text) {
  JsonCursor skipping(text);
  const bool valid = skipping.skip() && skipping.at_end();
  JsonCursor reading(text);
  HANSE_CHECK((read_all(reading) && reading.at_end()) == valid);
  HANSE_CHECK(valid == !skipping.failed());
  if (!valid) {
    HANSE_CHECK(skipping.error().offset <= text.size());
    HANSE_CHECK(json_place(text, skipping.error().offset).line >= 1);
  }

  simdjson::dom::parser parser;
  const auto error = parser.parse(text.data(), text.size()).error();
  // simdjson reads numbers, and nests to 1024 levels; we do neither.
  if (valid) HANSE_CHECK(error == simdjson::SUCCESS || error == simdjson::NUMBER_ERROR);
  if (error == simdjson::SUCCESS) {
    HANSE_CHECK(valid || skipping.error().what == "the nesting is too deep");
  }
}

}  // namespace
}  // namespace hanse

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hanse::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
