// llama.cpp's HTTP server. What it gets wrong was tried, not read: the replies
// are kept in testing/samples.
#include "adapters/engines/openai_dialect.h"
#include "base/json_cursor.h"

namespace hanse::engines {
namespace {

using answer::Question;

// The value of the member `wanted` of the object `json`, as it stands; empty
// when `json` is no object or has no such member.
std::string_view member_of(std::string_view json, std::string_view wanted) {
  JsonCursor cursor(json);
  if (cursor.peek() != JsonType::object) return {};
  JsonObject object(cursor);
  for (JsonString name; object.next(name);) {
    cursor.peek();
    const std::uint32_t begin = cursor.offset();
    cursor.skip();
    if (name.says(wanted)) return json.substr(begin, cursor.offset() - begin);
  }
  return {};
}

// What a JSON string says; empty for anything else.
std::string text_of(std::string_view json) {
  std::string out;
  JsonCursor cursor(json);
  JsonString text;
  if (cursor.peek() == JsonType::string && cursor.read_string(text)) {
    append_json_unescaped(text.raw, out);
  }
  return out;
}

std::string named_function(std::string_view tool) {
  return text_of(member_of(member_of(tool, "function"), "name"));
}

// The tool among `tools` whose function is called `name`; empty for none.
std::string_view find_tool(std::string_view tools, std::string_view name) {
  JsonCursor cursor(tools);
  if (cursor.peek() != JsonType::array) return {};
  for (JsonArray array(cursor); array.next();) {
    cursor.peek();
    const std::uint32_t begin = cursor.offset();
    cursor.skip();
    const std::string_view tool = tools.substr(begin, cursor.offset() - begin);
    if (named_function(tool) == name) return tool;
  }
  return {};
}

class LlamaCpp final : public OpenAiDialect {
 public:
  [[nodiscard]] std::string_view kind() const override { return "llama.cpp"; }

  [[nodiscard]] const Capabilities& capabilities() const override {
    static constexpr Capabilities kCapabilities{
        .continues_chat = true,
        .streams_always = true,
        .reports_usage_per_choice = true,
        .idle_close = seconds(5),
    };
    return kCapabilities;
  }

  // Always for a stream: it goes on generating when the client of a whole
  // reply leaves, for as long as the answer is.
  [[nodiscard]] Status write_request(const Question& question, std::string_view body,
                                     const Ask& ask, UpstreamRequest& out) const override {
    BodySplice splice(question, body, out);
    splice_model_and_limit(question, ask, splice);
    splice_stream_with_usage(question, splice);
    splice_named_tool(question, body, splice);
    splice_answer_so_far(question, ask, splice);
    splice.finish();
    out.path = openai_path(question.dialect);
    out.streamed = true;
    return {};
  }

  [[nodiscard]] answer::FailureReport classify(const EngineError& error) const override {
    EngineError corrected = error;
    // What it cannot read of a request is a 500 there, as is an image for a
    // model that sees none.
    const auto begins = [&](std::string_view words) { return error.message.starts_with(words); };
    if (begins("Failed to parse ") || begins("[json.exception.") || begins("Unknown ") ||
        error.message.find("is not supported") != std::string_view::npos) {
      corrected.http_status = 400;
    }
    // "Field 'max_tokens': Value must be ..."
    constexpr std::string_view kField = "Field '";
    if (error.param.empty() && error.message.starts_with(kField)) {
      const std::string_view rest = error.message.substr(kField.size());
      corrected.param = rest.substr(0, rest.find('\''));
    }
    return classify_openai(corrected);
  }

  [[nodiscard]] bool is_private_member(std::string_view name) const override {
    return name == "timings" || name == "__verbose" || name == "prompt_progress" ||
           name == "generation_settings";
  }

 private:
  // A named tool counts as `auto` there: it is told to use one, and knows only
  // that one. A name that is not among the tools is left for it to refuse.
  static void splice_named_tool(const Question& question, std::string_view body,
                                BodySplice& splice) {
    if (!question.tool_choice_field.present() || !question.tools_field.present()) return;
    const std::string_view choice = question.tool_choice_field.value.in(body);
    if (!choice.starts_with('{')) return;
    const std::string_view tool =
        find_tool(question.tools_field.value.in(body), named_function(choice));
    if (tool.empty()) return;
    splice.replace(question.tool_choice_field.value, "\"required\"");
    std::string only = "[";
    only.append(tool);
    only += ']';
    splice.replace(question.tools_field.value, only);
  }
};

const LlamaCpp engine;
const EngineRegistration registration(engine);

}  // namespace
}  // namespace hanse::engines
