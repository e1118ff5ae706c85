#include "adapters/api/stream_writer.h"

#include <fmt/format.h>

#include <iterator>

#include "base/json_cursor.h"

namespace hanse::api {
namespace {

using answer::Delta;
using answer::Dialect;
using answer::Edit;
using answer::Emission;
using answer::Part;

constexpr std::string_view kData = "data: ";
constexpr std::string_view kEnd = "\n\n";

void append_number(std::int64_t number, std::string& out) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

std::int64_t count(const Usage& usage, TokenKind kind) { return usage.tokens[kind].count(); }

using Kind = answer::Strand::Kind;

bool is_of_tool_call(Kind kind) {
  return kind == Kind::tool_id || kind == Kind::tool_type || kind == Kind::tool_name ||
         kind == Kind::tool_arguments;
}

// How many of `remainders`, from the first on, can be told as one: the pieces of
// one tool call, each once.
// Requires: there are some.
std::size_t that_go_together(std::span<const answer::Remainder> remainders) {
  const answer::Remainder& first = remainders.front();
  std::size_t count = 1;
  while (count < remainders.size() && is_of_tool_call(first.kind) &&
         is_of_tool_call(remainders[count].kind) &&
         remainders[count].kind > remainders[count - 1].kind &&
         remainders[count].choice == first.choice && remainders[count].index == first.index) {
    ++count;
  }
  return count;
}

void append_member(std::string_view name, std::string_view escaped, std::string& out) {
  out.append(1, '"').append(name).append("\":\"").append(escaped).append(1, '"');
}

// `"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]`,
// with the members that there are.
void append_call(std::span<const answer::Remainder> pieces, std::string& out) {
  out.append("\"tool_calls\":[{\"index\":");
  append_number(pieces.front().index, out);
  bool in_function = false;
  for (const answer::Remainder& piece : pieces) {
    const bool of_function = piece.kind == Kind::tool_name || piece.kind == Kind::tool_arguments;
    out.append(of_function && !in_function ? ",\"function\":{" : ",");
    in_function = of_function;
    switch (piece.kind) {
      case Kind::tool_id: append_member("id", piece.text, out); break;
      case Kind::tool_type: append_member("type", piece.text, out); break;
      case Kind::tool_name: append_member("name", piece.text, out); break;
      default: append_member("arguments", piece.text, out);
    }
  }
  out.append(in_function ? "}}]" : "}]");
}

}  // namespace

StreamWriter::StreamWriter(const ReplyIdentity& identity) : dialect_(identity.dialect) {
  // A stream keeps it: quotes, a prefix and ten digits, and no room to spare.
  constexpr std::size_t kAround = 24;
  bytes_.reserve(kAround + identity.request_id.size() + identity.alias.size());
  bytes_ += dialect_ == Dialect::chat ? "\"chatcmpl-" : "\"cmpl-";
  append_json_escaped(identity.request_id, bytes_);
  bytes_ += '"';
  id_end_ = static_cast<std::uint32_t>(bytes_.size());
  bytes_ += '"';
  append_json_escaped(identity.alias, bytes_);
  bytes_ += '"';
  model_end_ = static_cast<std::uint32_t>(bytes_.size());
  append_number(identity.created_unix_seconds, bytes_);
}

void StreamWriter::write(const Delta& delta, const Emission& emission, std::string& out) const {
  if (!emission.forward) return;
  if (emission.lead_with_role) write_role(delta.choice, out);
  out.append(kData);
  append_edited(delta, {.drop_role = emission.drop_role}, out);
  out.append(kEnd);
}

void StreamWriter::append_edited(const Delta& delta, EditOptions options, std::string& out) const {
  const std::string_view json = delta.json;
  std::size_t at = 0;
  if (!delta.has_id || !delta.has_model) {
    out += '{';
    at = 1;
    if (!delta.has_id) out.append("\"id\":").append(quoted_id()).append(1, ',');
    if (!delta.has_model) out.append("\"model\":").append(quoted_model()).append(1, ',');
  }
  for (const Edit& edit : delta.edits) {
    if (edit.part == Part::role && !options.drop_role) continue;
    out.append(json.substr(at, edit.range.begin - at));
    at = edit.range.end;
    switch (edit.part) {
      case Part::id: out.append(quoted_id()); break;
      case Part::model: out.append(quoted_model()); break;
      case Part::created: out.append(created()); break;
      case Part::role:
      case Part::unwanted: break;
    }
  }
  out.append(json.substr(at));
}

// `{"id":...,"object":...,"created":...,"model":...,"choices":[`
void StreamWriter::write_head(std::string& out) const {
  out.append("data: {\"id\":").append(quoted_id());
  out.append(dialect_ == Dialect::chat ? ",\"object\":\"chat.completion.chunk\""
                                       : ",\"object\":\"text_completion\"");
  out.append(",\"created\":").append(created());
  out.append(",\"model\":").append(quoted_model());
  out.append(",\"choices\":[");
}

void StreamWriter::write_role(std::uint32_t choice, std::string& out) const {
  write_head(out);
  out.append("{\"index\":");
  append_number(choice, out);
  out.append(
      R"(,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})");
  out.append(kEnd);
}

void StreamWriter::write_owed_finish(std::uint32_t choice, answer::Finish finish,
                                     std::string& out) const {
  std::string word = "\"";
  word.append(to_string(finish)).append(1, '"');
  write_finish(choice, word, out);
}

void StreamWriter::write_finish(std::uint32_t choice, std::string_view finish,
                                std::string& out) const {
  write_head(out);
  out.append("{\"index\":");
  append_number(choice, out);
  out.append(dialect_ == Dialect::chat ? ",\"delta\":{}" : ",\"text\":\"\"");
  out.append(R"(,"logprobs":null,"finish_reason":)").append(finish).append("}]}");
  out.append(kEnd);
}

void StreamWriter::write_remainders(const Delta& delta,
                                    std::span<const answer::Remainder> remainders,
                                    std::string& out) const {
  while (!remainders.empty()) {
    // Clients want the beginning of a call in one event.
    const std::size_t together = that_go_together(remainders);
    write_remainder(remainders.first(together), out);
    remainders = remainders.subspan(together);
  }
  if (delta.finish != answer::Finish::none) write_finish(delta.choice, delta.finish_value, out);
}

void StreamWriter::write_remainder(std::span<const answer::Remainder> together,
                                   std::string& out) const {
  const answer::Remainder& first = together.front();
  write_head(out);
  out.append("{\"index\":");
  append_number(first.choice, out);
  if (dialect_ == Dialect::completion) {
    append_member("text", first.text, out.append(1, ','));
  } else {
    out.append(",\"delta\":{");
    switch (first.kind) {
      case Kind::text: append_member("content", first.text, out); break;
      case Kind::reasoning: append_member("reasoning_content", first.text, out); break;
      case Kind::refusal: append_member("refusal", first.text, out); break;
      case Kind::function_name:
      case Kind::function_arguments:
        out.append("\"function_call\":{");
        append_member(first.kind == Kind::function_name ? "name" : "arguments", first.text, out);
        out += '}';
        break;
      default: append_call(together, out);
    }
    out += '}';
  }
  out.append(R"(,"logprobs":null,"finish_reason":null}]})");
  out.append(kEnd);
}

void StreamWriter::write_usage(const Usage& usage, const Accounting& accounting,
                               std::string& out) const {
  write_head(out);
  out.append("],\"usage\":");
  append_usage(usage, out);
  out.append(",\"hanse\":");
  append_hanse(usage, accounting, out);
  out += '}';
  out.append(kEnd);
}

void StreamWriter::write_done(std::string& out) const { out.append("data: [DONE]\n\n"); }

void StreamWriter::write_error(const Problem& problem, std::string& out) const {
  out.append(kData);
  write_error_body(problem, out);
  out.append(kEnd);
}

void append_usage(const Usage& usage, std::string& out) {
  const std::int64_t cached = count(usage, TokenKind::cached_read);
  const std::int64_t prompt =
      count(usage, TokenKind::prompt) + cached + count(usage, TokenKind::cache_write);
  const std::int64_t reasoning = count(usage, TokenKind::reasoning);
  const std::int64_t completion = count(usage, TokenKind::output) + reasoning;
  out.append("{\"prompt_tokens\":");
  append_number(prompt, out);
  out.append(",\"completion_tokens\":");
  append_number(completion, out);
  out.append(",\"total_tokens\":");
  append_number(prompt + completion, out);
  out.append(",\"prompt_tokens_details\":{\"cached_tokens\":");
  append_number(cached, out);
  out.append("},\"completion_tokens_details\":{\"reasoning_tokens\":");
  append_number(reasoning, out);
  out.append("}}");
}

void append_hanse(const Usage& usage, const Accounting& accounting, std::string& out) {
  out.append("{\"request_id\":\"");
  append_json_escaped(accounting.request_id, out);
  out.append("\",\"site\":\"");
  append_json_escaped(accounting.site, out);
  out.append("\",\"attempts\":");
  append_number(accounting.attempts, out);
  if (!accounting.rescue.empty()) {
    out.append(",\"rescue\":\"").append(accounting.rescue).append("\"");
  }
  // A decimal in a string: a JSON number would be read as a double.
  out.append(",\"cost\":{\"amount\":\"");
  out.append(to_decimal(accounting.cost));
  out.append("\",\"currency\":\"");
  append_json_escaped(accounting.currency, out);
  out.append("\"}");
  if (usage.estimated) out.append(",\"estimated\":true");
  if (usage.contradicted) out.append(",\"contradicted\":true");
  out += '}';
}

}  // namespace hanse::api
