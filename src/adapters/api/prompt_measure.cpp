#include "adapters/api/prompt_measure.h"

#include <array>
#include <string_view>

namespace hanse::api {
namespace {

// Members of a content part whose value is no text.
bool is_media(const JsonString& name) {
  constexpr std::array<std::string_view, 6> kMedia = {"image_url", "input_audio", "audio_url",
                                                      "video_url", "input_image", "file"};
  for (const std::string_view word : kMedia) {
    if (name.says(word)) return true;
  }
  return false;
}

std::int64_t size_of(const JsonString& text) {
  return static_cast<std::int64_t>(json_unescaped_size(text));
}

void add_text(JsonCursor& json, PromptMeasure& measure) {
  JsonString text;
  if (json.read_string(text)) measure.text_bytes += size_of(text);
}

// All text in a value. The recursion is as deep as the cursor allows.
void add_value(JsonCursor& json, PromptMeasure& measure) {
  switch (json.peek()) {
    case JsonType::string: return add_text(json, measure);
    case JsonType::object: {
      JsonObject object(json);
      for (JsonString name; object.next(name);) {
        measure.text_bytes += size_of(name);
        add_value(json, measure);
      }
      return;
    }
    case JsonType::array: {
      for (JsonArray array(json); array.next();) add_value(json, measure);
      return;
    }
    default: {
      const std::uint32_t begin = json.offset();
      json.skip();
      measure.text_bytes += json.offset() - begin;
    }
  }
}

void add_content(JsonCursor& json, PromptMeasure& measure) {
  if (json.peek() != JsonType::array) return add_value(json, measure);
  for (JsonArray parts(json); parts.next();) {
    if (json.peek() != JsonType::object) {
      add_value(json, measure);
      continue;
    }
    JsonObject part(json);
    for (JsonString name; part.next(name);) {
      if (is_media(name)) {
        measure.media += 1;
        json.skip();
      } else {
        add_value(json, measure);
      }
    }
  }
}

void add_message(JsonCursor& json, PromptMeasure& measure) {
  JsonObject message(json);
  for (JsonString name; message.next(name);) {
    if (name.says("content")) {
      add_content(json, measure);
    } else if (name.says("role") && json.peek() == JsonType::string) {
      JsonString role;
      if (!json.read_string(role)) return;
      measure.text_bytes += size_of(role);
    } else {
      add_value(json, measure);
    }
  }
}

}  // namespace

PromptMeasure measure_messages(JsonCursor& json) {
  PromptMeasure measure;
  for (JsonArray array(json); array.next();) {
    if (json.peek() == JsonType::object) {
      add_message(json, measure);
    } else {
      measure.misplaced = true;
      json.skip();
    }
    measure.items += 1;
  }
  return measure;
}

PromptMeasure measure_prompt(JsonCursor& json) {
  PromptMeasure measure;
  const JsonType type = json.peek();
  if (type == JsonType::string) {
    measure.items = 1;
    add_text(json, measure);
    return measure;
  }
  if (type != JsonType::array) {
    measure.misplaced = true;
    json.skip();
    return measure;
  }
  bool numbers = false;
  for (JsonArray array(json); array.next();) {
    switch (json.peek()) {
      case JsonType::string: add_text(json, measure); break;
      case JsonType::array:
        for (JsonArray tokens(json); tokens.next();) {
          measure.misplaced = measure.misplaced || json.peek() != JsonType::number;
          measure.text_bytes += 1;
          json.skip();
        }
        break;
      case JsonType::number:
        numbers = true;
        measure.text_bytes += 1;
        json.skip();
        break;
      default: measure.misplaced = true; json.skip();
    }
    measure.items += 1;
  }
  // One prompt in token numbers, unless the list mixes them with others.
  if (numbers) measure.items = 1;
  return measure;
}

}  // namespace hanse::api
