#include "adapters/api/request_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "adapters/api/prompt_measure.h"
#include "base/digest.h"
#include "base/json_cursor.h"
#include "core/answer/answer.h"

namespace hanse::api {
namespace {

using answer::Dialect;
using answer::Field;
using answer::Question;

// Fields that are read here; every other member is only walked over.
enum class Known : std::uint8_t {
  other,
  model,
  messages,
  prompt,
  stream,
  stream_options,
  max_tokens,
  max_completion_tokens,
  n_predict,
  n,
  best_of,
  tools,
  functions,
  tool_choice,
  response_format,
  grammar,
  logprobs,
  stop,
  echo,
};

struct KnownName {
  std::string_view name;
  Known known;
};
constexpr std::array kKnownNames = {
    KnownName{"model", Known::model},
    KnownName{"messages", Known::messages},
    KnownName{"prompt", Known::prompt},
    KnownName{"stream", Known::stream},
    KnownName{"stream_options", Known::stream_options},
    KnownName{"max_tokens", Known::max_tokens},
    KnownName{"max_completion_tokens", Known::max_completion_tokens},
    KnownName{"n_predict", Known::n_predict},
    KnownName{"n", Known::n},
    KnownName{"n_cmpl", Known::n},  // llama.cpp's
    KnownName{"best_of", Known::best_of},
    KnownName{"tools", Known::tools},
    KnownName{"functions", Known::functions},
    KnownName{"tool_choice", Known::tool_choice},
    KnownName{"response_format", Known::response_format},
    KnownName{"json_schema", Known::grammar},
    KnownName{"grammar", Known::grammar},
    KnownName{"guided_json", Known::grammar},
    KnownName{"logprobs", Known::logprobs},
    KnownName{"stop", Known::stop},
    KnownName{"echo", Known::echo},
};

Known known_of(const JsonString& name) {
  for (const auto& [word, known] : kKnownNames) {
    if (name.says(word)) return known;
  }
  return Known::other;
}

// Whether some engine might take the name for a known one.
bool differs_in_case_only(std::string_view name) {
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (std::ranges::none_of(name, is_capital)) return false;
  const auto lower = [&](char c) { return is_capital(c) ? static_cast<char>(c + 32) : c; };
  return std::ranges::any_of(kKnownNames, [&](const KnownName& known) {
    return std::ranges::equal(name, known.name, {}, lower);
  });
}

std::string_view name_of(Known known) {
  for (const auto& [word, value] : kKnownNames) {
    if (value == known) return word;
  }
  return {};
}

// No limit is larger; keeps arithmetic on limits far from 64 bits.
constexpr std::int64_t kOutputLimitMax = std::int64_t{1} << 31U;

class QuestionReader {
 public:
  QuestionReader(Dialect dialect, std::string_view body, QuestionScratch& scratch)
      : body_(body), scratch_(scratch), json_(body, {.depth_max = kRequestDepthMax}) {
    question_.dialect = dialect;
  }

  std::expected<Question, Problem> read() {
    if (json_.peek() != JsonType::object) {
      return json_.peek() == JsonType::nothing
                 ? not_json("an object was expected", json_.offset())
                 : std::unexpected(bad_request("The body must be a JSON object."));
    }
    read_members();
    question_.closing_brace = json_.failed() ? 0 : json_.offset() - 1;
    json_.at_end();
    // A field of the wrong type is told only if the JSON itself is sound.
    if (json_.failed()) return not_json(json_.error().what, json_.error().offset);
    if (!problem_) check_whole();
    if (problem_) return std::unexpected(std::move(*problem_));
    return question_;
  }

 private:
  std::unexpected<Problem> not_json(std::string_view what, std::size_t offset) {
    const auto place = json_place(body_, offset);
    return std::unexpected(bad_request(
        fmt::format("The body could not be read as JSON: {} at line {}, column {} (byte {}).", what,
                    place.line, place.column, offset)));
  }

  void wrong(Known field, std::string_view what) {
    if (problem_) return;
    const std::string_view name = name_of(field);
    const auto place = json_place(body_, json_.offset());
    problem_ = bad_request(
        fmt::format("`{}` {} (line {}, column {}).", name, what, place.line, place.column),
        std::string(name));
  }

  void read_members() {
    JsonObject object(json_);
    for (JsonString name; object.next(name);) {
      const auto begin = static_cast<std::uint32_t>(name.raw.data() - body_.data()) - 1;
      if (!is_new(name, begin)) return;
      json_.peek();
      Field field;
      field.value.begin = json_.offset();
      const Known known = known_of(name);
      read_member(known);
      field.value.end = json_.offset();
      field.member = {begin, field.value.end};
      if (json_.failed()) return;
      keep(known, field);
    }
  }

  // Engines differ in which of two members of one name they believe, and so
  // would the gate and the engine. Some do not look at the case either.
  bool is_new(const JsonString& name, std::uint32_t begin) {
    std::string unescaped;
    if (name.escaped) append_json_unescaped(name.raw, unescaped);
    const std::string_view plain = name.escaped ? std::string_view(unescaped) : name.raw;
    if (differs_in_case_only(plain)) {
      return json_.fail_at(begin, "the member is known in small letters only");
    }
    RunDigest digest;
    digest.add(plain);
    const auto end = names_.begin() + static_cast<std::ptrdiff_t>(members_);
    if (std::find(names_.begin(), end, digest.value()) != end) {
      return json_.fail_at(begin, "the member comes a second time");
    }
    if (members_ == names_.size()) return json_.fail_at(begin, "the object has too many members");
    names_[members_++] = digest.value();
    return true;
  }

  void read_member(Known known) {
    switch (known) {
      case Known::model: return read_model();
      case Known::messages: return read_messages();
      case Known::prompt: return read_prompt();
      case Known::stream: question_.stream = read_flag(known); return;
      case Known::echo: question_.has_echo = read_flag(known); return;
      case Known::stream_options: return read_stream_options();
      case Known::max_tokens:
      case Known::max_completion_tokens:
      case Known::n_predict: return read_output_limit(known);
      case Known::n:
        if (n_given_) wrong(known, "is given under two names");
        n_given_ = true;
        n_ = read_count(known);
        return;
      case Known::best_of: best_of_ = read_count(known); return;
      case Known::tools:
      case Known::functions:
        question_.has_tools = measure_structure() || question_.has_tools;
        return;
      case Known::response_format:
      case Known::grammar:
        question_.has_response_format = measure_structure() || question_.has_response_format;
        return;
      case Known::logprobs: return read_logprobs();
      case Known::stop: question_.has_stop = !skip_empty(); return;
      case Known::tool_choice: json_.skip(); return;
      default: return read_other();
    }
  }

  void keep(Known known, const Field& field) {
    switch (known) {
      case Known::model: question_.model_field = field; break;
      case Known::messages: question_.messages_field = field; break;
      case Known::prompt: question_.prompt_field = field; break;
      case Known::stream: question_.stream_field = field; break;
      case Known::stream_options: question_.stream_options_field = field; break;
      case Known::tools: question_.tools_field = field; break;
      case Known::tool_choice: question_.tool_choice_field = field; break;
      case Known::max_tokens:
      case Known::max_completion_tokens:
      case Known::n_predict: keep_output_limit(known, field); break;
      default: break;
    }
  }

  // Clients send null for what they leave to others.
  void keep_output_limit(Known known, const Field& field) {
    const auto is_null = [&](const Field& f) { return f.value.in(body_) == "null"; };
    Field& kept = question_.output_limit_field;
    if (!kept.present()) {
      kept = field;
    } else if (is_null(kept)) {
      question_.empty_limit_fields.push(kept);
      kept = field;
    } else if (is_null(field)) {
      question_.empty_limit_fields.push(field);
    } else {
      wrong(known, "is one of several output limits; name one of them");
    }
  }

  void read_model() {
    if (json_.peek() != JsonType::string) return skip_wrong(Known::model, "must be a string");
    JsonString text;
    if (!json_.read_string(text)) return;
    question_.model = text.raw;
    if (text.escaped) {
      scratch_.model.clear();
      append_json_unescaped(text.raw, scratch_.model);
      question_.model = scratch_.model;
    }
    if (question_.model.empty()) wrong(Known::model, "must not be empty");
  }

  void read_messages() {
    if (json_.peek() != JsonType::array) return skip_wrong(Known::messages, "must be an array");
    const PromptMeasure measure = measure_messages(json_);
    add(measure);
    question_.messages = measure.items;
    if (measure.misplaced) wrong(Known::messages, "must hold only objects");
  }

  void read_prompt() {
    const PromptMeasure measure = measure_prompt(json_);
    add(measure);
    question_.prompts = std::max(measure.items, 1);
    if (measure.misplaced) {
      wrong(Known::prompt, "must be a string, a list of strings, or token numbers");
    }
  }

  // Whatever else has text may find its way into the prompt, as documents and
  // suffixes do.
  void read_other() {
    const JsonType type = json_.peek();
    const bool has_text =
        type == JsonType::string || type == JsonType::object || type == JsonType::array;
    const std::uint32_t begin = json_.offset();
    json_.skip();
    if (has_text) question_.prompt_bytes += json_.offset() - begin;
  }

  void add(const PromptMeasure& measure) {
    question_.prompt_bytes += measure.text_bytes;
    question_.images += measure.media;
  }

  bool read_flag(Known known) {
    bool value = false;
    switch (json_.peek()) {
      case JsonType::boolean: json_.read_boolean(value); break;
      case JsonType::null: json_.read_null(); break;
      default: skip_wrong(known, "must be true or false");
    }
    return value;
  }

  std::optional<std::int64_t> read_integer(Known known) {
    const JsonType type = json_.peek();
    if (type == JsonType::null) {
      json_.read_null();
      return std::nullopt;
    }
    std::string_view number;
    if (type != JsonType::number) {
      skip_wrong(known, "must be an integer");
      return std::nullopt;
    }
    if (!json_.read_number(number)) return std::nullopt;
    const auto value = json_integer(number);
    if (!value) wrong(known, "must be an integer");
    return value;
  }

  // `n` and `best_of`: what each prompt is answered for.
  std::int32_t read_count(Known known) {
    const auto value = read_integer(known).value_or(1);
    if (value < 1 || value > static_cast<std::int64_t>(answer::Answer::kChoicesMax)) {
      wrong(known, "must be from 1 to 128");
      return 1;
    }
    return static_cast<std::int32_t>(value);
  }

  void read_output_limit(Known known) {
    const auto value = read_integer(known);
    // Some engines' clients say -1 for "no limit of mine".
    if (!value || *value == -1) return;
    // Only a completion that echoes its prompt has a use for no output; engines
    // answer a chat with one token all the same.
    const std::int64_t least = question_.dialect == Dialect::chat ? 1 : 0;
    if (*value < least || *value > kOutputLimitMax) {
      return wrong(known, fmt::format("must be from {} to {}", least, kOutputLimitMax));
    }
    question_.output_limit = Tokens(*value);
  }

  void read_stream_options() {
    const JsonType type = json_.peek();
    if (type == JsonType::null) {
      json_.read_null();
      return;
    }
    if (type != JsonType::object) return skip_wrong(Known::stream_options, "must be an object");
    bool seen = false;
    JsonObject object(json_);
    for (JsonString name; object.next(name);) {
      if (!name.says("include_usage")) {
        json_.skip();
        continue;
      }
      if (seen) wrong(Known::stream_options, "says `include_usage` twice");
      seen = true;
      question_.include_usage = read_flag(Known::stream_options);
    }
  }

  void read_logprobs() {
    // A flag for chats, a count for completions.
    const JsonType type = json_.peek();
    bool flag = false;
    if (type == JsonType::boolean) {
      json_.read_boolean(flag);
    } else {
      flag = type == JsonType::number;
      json_.skip();
    }
    question_.has_logprobs = flag;
  }

  // Tools and schemas reach the model as text too. Says whether there is any.
  bool measure_structure() {
    json_.peek();
    const std::uint32_t begin = json_.offset();
    const bool empty = skip_empty();
    question_.prompt_bytes += json_.offset() - begin;
    return !empty;
  }

  // Passes over a value. Says whether it is null, "", [], {} or a format that
  // is no format: {"type":"text"}.
  bool skip_empty() {
    json_.peek();
    const std::uint32_t begin = json_.offset();
    json_.skip();
    const std::string_view value = body_.substr(begin, json_.offset() - begin);
    if (value == "null" || value == "\"\"") return true;
    if (!value.starts_with('{') && !value.starts_with('[')) return false;
    if (value.find_first_not_of(" \t\r\n", 1) == value.size() - 1) return true;
    return value == R"({"type":"text"})" || value == R"({"type": "text"})";
  }

  void skip_wrong(Known known, std::string_view what) {
    wrong(known, what);
    json_.skip();
  }

  void check_whole() {
    if (!question_.model_field.present()) {
      problem_ = bad_request("`model` is missing: name the model that is to answer.", "model");
      return;
    }
    const bool is_chat = question_.dialect == Dialect::chat;
    const Field& asked = is_chat ? question_.messages_field : question_.prompt_field;
    if (!asked.present()) {
      const std::string name(is_chat ? "messages" : "prompt");
      problem_ = bad_request(fmt::format("`{}` is missing.", name), name);
      return;
    }
    const std::int64_t choices = std::int64_t{n_} * question_.prompts;
    if (choices > static_cast<std::int64_t>(answer::Answer::kChoicesMax)) {
      problem_ =
          bad_request(fmt::format("{} prompts with {} answers each are more than 128 answers.",
                                  question_.prompts, n_),
                      "n");
      return;
    }
    question_.choices = n_;
    question_.generations = std::max(n_, best_of_);
  }

  std::string_view body_;
  QuestionScratch& scratch_;
  JsonCursor json_;
  Question question_;
  std::optional<Problem> problem_;
  std::int32_t n_ = 1;
  bool n_given_ = false;
  std::int32_t best_of_ = 1;
  // Digests of the names so far.
  std::array<std::uint64_t, kRequestMembersMax> names_;
  std::size_t members_ = 0;
};

}  // namespace

std::expected<Question, Problem> read_question(Dialect dialect, std::string_view body,
                                               QuestionScratch& scratch) {
  if (body.size() > UINT32_MAX) {
    return std::unexpected(
        Problem{.kind = ProblemKind::body_too_large, .message = "The body is past 4 GiB."});
  }
  return QuestionReader(dialect, body, scratch).read();
}

}  // namespace hanse::api
