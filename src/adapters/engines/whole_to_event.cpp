#include "adapters/engines/whole_to_event.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/json_cursor.h"

namespace hanse::engines {
namespace {

using answer::Dialect;

constexpr JsonRules kRules{.depth_max = 64, .lone_surrogates_allowed = true};

std::string_view take_value(JsonCursor& json, std::string_view text) {
  json.peek();
  const std::uint32_t begin = json.offset();
  json.skip();
  return text.substr(begin, json.offset() - begin);
}

void append_member(std::string_view name, std::string_view value, std::string& out) {
  if (!out.empty() && out.back() != '{') out += ',';
  out += '"';
  out.append(name);
  out += "\":";
  out.append(value);
}

// A stream's tool calls carry their index; a whole reply's do not.
std::string with_indices(std::string_view tool_calls) {
  JsonCursor json(tool_calls, kRules);
  if (json.peek() != JsonType::array) return std::string(tool_calls);
  std::string out = "[";
  std::size_t index = 0;
  for (JsonArray array(json); array.next(); ++index) {
    const bool is_object = json.peek() == JsonType::object;
    const std::string_view call = take_value(json, tool_calls);
    if (index > 0) out += ',';
    if (!is_object) {
      out.append(call);
      continue;
    }
    std::string members = "{";
    bool has_index = false;
    JsonCursor call_json(call, kRules);
    JsonObject object(call_json);
    for (JsonString name; object.next(name);) {
      has_index = has_index || name.says("index");
      append_member(name.raw, take_value(call_json, call), members);
    }
    if (!has_index) append_member("index", fmt::format("{}", index), members);
    out += members + "}";
  }
  return out + "]";
}

std::string delta_of(std::string_view message) {
  JsonCursor json(message, kRules);
  if (json.peek() != JsonType::object) return "{}";
  std::string delta = "{";
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    const std::string_view value = take_value(json, message);
    const bool is_calls = name.says("tool_calls");
    append_member(name.raw, is_calls ? with_indices(value) : std::string(value), delta);
  }
  return delta + "}";
}

struct Choice {
  std::string spoken;    // members of the event that says it all
  std::string finished;  // members of the event that ends it; empty: none
};

Choice read_choice(std::string_view choice, Dialect dialect) {
  Choice out;
  std::string index = "0";
  std::string finish;
  JsonCursor json(choice, kRules);
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    const std::string_view value = take_value(json, choice);
    if (name.says("index")) {
      index = value;
    } else if (name.says("finish_reason")) {
      if (value != "null") finish = value;
    } else if (dialect == Dialect::chat && name.says("message")) {
      append_member("delta", delta_of(value), out.spoken);
    } else {
      append_member(name.raw, value, out.spoken);
    }
  }
  append_member("index", index, out.spoken);
  append_member("finish_reason", "null", out.spoken);
  if (finish.empty()) return out;
  append_member("index", index, out.finished);
  if (dialect == Dialect::chat) {
    append_member("delta", "{}", out.finished);
  } else {
    append_member("text", "\"\"", out.finished);
  }
  append_member("finish_reason", finish, out.finished);
  return out;
}

}  // namespace

std::string events_of_whole(std::string_view reply, Dialect dialect) {
  std::string shared;  // members that every event has
  std::string_view choices = "[]";
  std::string_view usage;
  JsonCursor json(reply, kRules);
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    const std::string_view value = take_value(json, reply);
    if (name.says("choices")) {
      choices = value;
    } else if (name.says("usage")) {
      usage = value;
    } else if (!name.says("object")) {
      append_member(name.raw, value, shared);
    }
  }
  append_member("object",
                dialect == Dialect::chat ? "\"chat.completion.chunk\"" : "\"text_completion\"",
                shared);

  std::string out;
  JsonCursor choices_json(choices, kRules);
  for (JsonArray array(choices_json); array.next();) {
    const Choice choice = read_choice(take_value(choices_json, choices), dialect);
    out += fmt::format("{{{},\"choices\":[{{{}}}]}}\n", shared, choice.spoken);
    if (!choice.finished.empty()) {
      out += fmt::format("{{{},\"choices\":[{{{}}}]}}\n", shared, choice.finished);
    }
  }
  if (!usage.empty()) out += fmt::format("{{{},\"choices\":[],\"usage\":{}}}\n", shared, usage);
  return out;
}

}  // namespace hanse::engines
