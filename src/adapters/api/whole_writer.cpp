#include "adapters/api/whole_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_cursor.h"

namespace hanse::api {
namespace {

using answer::Delta;
using answer::Dialect;

constexpr JsonRules kRules{.lone_surrogates_allowed = true};

constexpr std::size_t kTextExpected = 1024;

std::string_view take_value(JsonCursor& json, std::string_view text) {
  json.peek();
  const std::uint32_t begin = json.offset();
  json.skip();
  return text.substr(begin, json.offset() - begin);
}

// The inside of a string; of null and anything else nothing.
std::string_view take_text(JsonCursor& json) {
  JsonString text;
  if (json.peek() == JsonType::string && json.read_string(text)) return text.raw;
  json.skip();
  return {};
}

void append_quoted(std::string_view escaped, std::string& out) {
  out.append(1, '"').append(escaped).append(1, '"');
}

}  // namespace

void write_whole_reply(const Delta& reply, const ReplyIdentity& identity, const Usage& usage,
                       const Accounting& accounting, std::string& out) {
  const StreamWriter writer(identity);
  writer.append_edited(reply, {}, out);
  // An answer has members, so the brace has something before it.
  out.pop_back();
  out.append(",\"usage\":");
  append_usage(usage, out);
  out.append(",\"hanse\":");
  append_hanse(usage, accounting, out);
  out += '}';
}

void WholeAssembler::append(std::string_view piece, std::string& to) {
  to.append(piece);
  bytes_ += piece.size();
}

WholeAssembler::Choice& WholeAssembler::choice(std::uint32_t index) {
  const auto it = std::ranges::lower_bound(choices_, index, {}, &Choice::index);
  if (it != choices_.end() && it->index == index) return *it;
  Choice& added = *choices_.insert(it, Choice(index));
  // One allocation for most answers instead of one for each doubling.
  added.text.reserve(kTextExpected);
  return added;
}

void WholeAssembler::add(const Delta& delta) {
  if (!delta.has_choice) return;
  Choice& to = choice(delta.choice);
  append(delta.text, to.text);
  append(delta.reasoning, to.reasoning);
  append(delta.refusal, to.refusal);
  if (fingerprint_.empty()) append(delta.fingerprint, fingerprint_);
  if (!delta.tool_calls.empty()) add_tool_calls(delta.tool_calls, to);
  if (!delta.function_call.empty()) {
    add_function(delta.function_call, to.function_name, to.function_arguments);
  }
  if (!delta.logprobs.empty()) add_logprobs(delta.logprobs, to);
  if (!delta.finish_value.empty()) to.finish_value.assign(delta.finish_value);
}

void WholeAssembler::add_tool_calls(std::string_view calls, Choice& to) {
  JsonCursor json(calls, kRules);
  if (json.peek() != JsonType::array) return;
  std::int64_t position = 0;
  for (JsonArray array(json); array.next(); ++position) {
    const bool is_object = json.peek() == JsonType::object;
    const std::string_view call = take_value(json, calls);
    if (is_object) add_tool_call(call, position, to);
  }
}

void WholeAssembler::add_tool_call(std::string_view call, std::int64_t position, Choice& to) {
  ToolCall part;
  part.index = position;
  std::string_view function;
  JsonCursor json(call, kRules);
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if (name.says("index")) {
      part.index = json_integer(take_value(json, call)).value_or(position);
    } else if (name.says("id")) {
      part.id = take_text(json);
    } else if (name.says("type")) {
      part.type = take_text(json);
    } else if (name.says("function")) {
      function = take_value(json, call);
    } else {
      part.rest += ',';
      append_quoted(name.raw, part.rest);
      part.rest += ':';
      part.rest.append(take_value(json, call));
    }
  }
  const auto at = std::ranges::lower_bound(to.tool_calls, part.index, {}, &ToolCall::index);
  if (at == to.tool_calls.end() || at->index != part.index) {
    bytes_ += part.id.size() + part.type.size() + part.rest.size();
    const auto added = to.tool_calls.insert(at, std::move(part));
    return add_function(function, added->name, added->arguments);
  }
  // Said once, though some engines repeat them.
  if (at->id.empty()) append(part.id, at->id);
  if (at->type.empty()) append(part.type, at->type);
  add_function(function, at->name, at->arguments);
}

void WholeAssembler::add_function(std::string_view function, std::string& function_name,
                                  std::string& arguments) {
  JsonCursor json(function, kRules);
  if (json.peek() != JsonType::object) return;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if (name.says("name")) {
      const std::string_view text = take_text(json);
      if (function_name.empty()) append(text, function_name);
    } else if (name.says("arguments")) {
      append(take_text(json), arguments);
    } else {
      json.skip();
    }
  }
}

void WholeAssembler::add_logprobs(std::string_view logprobs, Choice& to) {
  JsonCursor json(logprobs, kRules);
  if (json.peek() != JsonType::object) return;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    const bool is_array = json.peek() == JsonType::array;
    std::string_view elements = take_value(json, logprobs);
    if (!is_array) continue;
    elements = elements.substr(1, elements.size() - 2);
    auto it = std::ranges::find(to.logprobs, name.raw, &LogprobsArray::name);
    if (it == to.logprobs.end()) {
      it = to.logprobs.insert(it, LogprobsArray{.name = std::string(name.raw), .elements = {}});
    }
    if (elements.find_first_not_of(" \t\r\n") == std::string_view::npos) continue;
    if (!it->elements.empty()) append(",", it->elements);
    append(elements, it->elements);
  }
}

void WholeAssembler::write_tool_calls(const Choice& choice, std::string& out) {
  out.append(",\"tool_calls\":[");
  for (const ToolCall& call : choice.tool_calls) {
    out.append("{\"id\":");
    append_quoted(call.id, out);
    out.append(",\"type\":");
    append_quoted(call.type.empty() ? std::string_view("function") : call.type, out);
    out.append(",\"function\":{\"name\":");
    append_quoted(call.name, out);
    out.append(",\"arguments\":");
    append_quoted(call.arguments, out);
    out.append("}").append(call.rest).append("},");
  }
  out.back() = ']';
}

void WholeAssembler::write_message(const Choice& choice, std::string& out) {
  const bool has_calls = !choice.tool_calls.empty() || !choice.function_name.empty();
  out.append(R"("message":{"role":"assistant","content":)");
  if (choice.text.empty() && (has_calls || !choice.refusal.empty())) {
    out.append("null");
  } else {
    append_quoted(choice.text, out);
  }
  out.append(",\"refusal\":");
  choice.refusal.empty() ? void(out.append("null")) : append_quoted(choice.refusal, out);
  if (!choice.reasoning.empty()) {
    out.append(",\"reasoning_content\":");
    append_quoted(choice.reasoning, out);
  }
  if (!choice.tool_calls.empty()) write_tool_calls(choice, out);
  if (!choice.function_name.empty()) {
    out.append(",\"function_call\":{\"name\":");
    append_quoted(choice.function_name, out);
    out.append(",\"arguments\":");
    append_quoted(choice.function_arguments, out);
    out += '}';
  }
  out += '}';
}

void WholeAssembler::write_logprobs(const Choice& choice, std::string& out) {
  out.append(",\"logprobs\":");
  if (choice.logprobs.empty()) {
    out.append("null");
    return;
  }
  out += '{';
  for (const LogprobsArray& array : choice.logprobs) {
    append_quoted(array.name, out);
    out.append(":[").append(array.elements).append("],");
  }
  out.back() = '}';
}

void WholeAssembler::write(const ReplyIdentity& identity, const Usage& usage,
                           const Accounting& accounting, std::string& out,
                           answer::Finish owed) const {
  const StreamWriter writer(identity);
  const bool is_chat = dialect_ == Dialect::chat;
  out.reserve(out.size() + bytes_ + 640 + 128 * choices_.size());
  out.append("{\"id\":").append(writer.quoted_id());
  out.append(is_chat ? ",\"object\":\"chat.completion\"" : ",\"object\":\"text_completion\"");
  out.append(",\"created\":").append(writer.created());
  out.append(",\"model\":").append(writer.quoted_model());
  if (!fingerprint_.empty()) out.append(",\"system_fingerprint\":").append(fingerprint_);
  out.append(",\"choices\":[");
  for (const Choice& choice : choices_) {
    out.append(fmt::format("{{\"index\":{},", choice.index));
    if (is_chat) {
      write_message(choice, out);
    } else {
      out.append("\"text\":");
      append_quoted(choice.text, out);
    }
    write_logprobs(choice, out);
    out.append(",\"finish_reason\":");
    choice.finish_value.empty() ? append_quoted(to_string(owed), out)
                                : void(out.append(choice.finish_value));
    out.append("},");
  }
  if (!choices_.empty()) out.pop_back();
  out.append("],\"usage\":");
  append_usage(usage, out);
  out.append(",\"hanse\":");
  append_hanse(usage, accounting, out);
  out += '}';
}

}  // namespace hanse::api
