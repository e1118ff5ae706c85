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
  for (const answer::Remainder& remainder : remainders) write_remainder(remainder, out);
  if (delta.finish != answer::Finish::none) write_finish(delta.choice, delta.finish_value, out);
}

void StreamWriter::write_remainder(const answer::Remainder& remainder, std::string& out) const {
  using Kind = answer::Strand::Kind;
  write_head(out);
  out.append("{\"index\":");
  append_number(remainder.choice, out);
  if (dialect_ == Dialect::completion) {
    out.append(",\"text\":\"").append(remainder.text).append("\"");
  } else {
    const auto call = [&] {
      out.append("\"tool_calls\":[{\"index\":");
      append_number(remainder.index, out);
      out.append(",\"function\":{");
    };
    out.append(",\"delta\":{");
    std::string_view after = "\"}";
    switch (remainder.kind) {
      case Kind::text: out.append("\"content\":\""); break;
      case Kind::reasoning: out.append("\"reasoning_content\":\""); break;
      case Kind::refusal: out.append("\"refusal\":\""); break;
      case Kind::tool_name:
      case Kind::tool_arguments:
        call();
        out.append(remainder.kind == Kind::tool_name ? "\"name\":\"" : "\"arguments\":\"");
        after = "\"}}]}";
        break;
      case Kind::function_name:
      case Kind::function_arguments:
        out.append("\"function_call\":{");
        out.append(remainder.kind == Kind::function_name ? "\"name\":\"" : "\"arguments\":\"");
        after = "\"}}";
        break;
    }
    out.append(remainder.text).append(after);
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
