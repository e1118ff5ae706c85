#include "adapters/engines/reply_reader.h"

#include <optional>

#include "adapters/engines/usage_reader.h"
#include "base/json_cursor.h"

namespace hanse::engines {
namespace {

using answer::ByteRange;
using answer::Delta;
using answer::Dialect;
using answer::Finish;
using answer::Part;

// Answers nest little; tool arguments come as strings.
constexpr JsonRules kRules{.depth_max = 64, .lone_surrogates_allowed = true};

// Cuts members out of one object, each with the comma that its going makes
// superfluous: the one before it, or the one behind when all before it went.
class MemberCutter {
 public:
  MemberCutter(Delta& delta, std::uint32_t object_begin)
      : delta_(delta), previous_end_(object_begin + 1) {}

  void begin_member(std::uint32_t begin) {
    begin_ = begin;
    if (open_cut_ != kNone) delta_.edits[open_cut_].range.end = begin;
    open_cut_ = kNone;
  }
  // The member ends at `end` and is kept.
  void keep(std::uint32_t end) {
    kept_any_ = true;
    previous_end_ = end;
  }
  // It is cut. False: no room for one more edit.
  bool cut(std::uint32_t end, Part part) {
    const ByteRange range{kept_any_ ? previous_end_ : begin_, end};
    if (!kept_any_) open_cut_ = delta_.edits.size();
    previous_end_ = end;
    return delta_.edits.try_push({range, part});
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  Delta& delta_;
  std::uint32_t begin_ = 0;
  std::uint32_t previous_end_;
  std::size_t open_cut_ = kNone;  // waits for where the next member begins
  bool kept_any_ = false;
};

// The known members of a reply, one bit each, so that a second one of the same
// name is noticed.
enum Known : std::uint32_t {
  kId = 1,
  kModel = 2,
  kCreated = 4,
  kUsage = 8,
  kChoices = 16,
  kError = 32,
  kFingerprint = 64,
};

Finish finish_of(const JsonString& word) {
  if (word.says("stop")) return Finish::stop;
  if (word.says("length")) return Finish::length;
  if (word.says("tool_calls") || word.says("function_call")) return Finish::tool_calls;
  if (word.says("content_filter")) return Finish::content_filter;
  return word.raw.empty() ? Finish::none : Finish::other;
}

class ReplyReader {
 public:
  ReplyReader(std::string_view text, const ReplyReading& reading, Delta& delta, ErrorWords& words)
      : text_(text), json_(text, kRules), reading_(reading), delta_(delta), words_(words) {}

  ReplyFound read() {
    delta_ = Delta{};
    delta_.json = text_;
    if (json_.peek() == JsonType::null) {
      // llama.cpp begins the stream of several prompts with one.
      json_.read_null();
    } else {
      read_members();
    }
    json_.at_end();
    if (json_.failed()) return malformed(json_.error().what);
    if (is_error_) return {ReplyKind::error, 0, {}};
    if ((seen_ & kChoices) == 0 && !delta_.usage) return {ReplyKind::nothing, 0, {}};
    return {ReplyKind::answer, choices_, {}};
  }

 private:
  static ReplyFound malformed(std::string_view why) { return {ReplyKind::malformed, 0, why}; }

  void read_members() {
    MemberCutter cutter(delta_, json_.offset());
    JsonObject object(json_);
    for (JsonString name; object.next(name);) {
      cutter.begin_member(static_cast<std::uint32_t>(name.raw.data() - text_.data()) - 1);
      if (read_member(name)) {
        cutter.keep(json_.offset());
      } else if (!json_.failed() && !cutter.cut(json_.offset(), Part::unwanted)) {
        json_.fail("too many private members");
      }
    }
  }

  // Says whether the member is kept.
  bool read_member(const JsonString& name) {
    switch (known(name)) {
      case kId: return delta_.has_id = replace(Part::id), true;
      case kModel: return delta_.has_model = replace(Part::model), true;
      case kCreated: return replace(Part::created), true;
      case kChoices: return read_choices(), true;
      case kError: return read_error(), true;
      case kFingerprint: return delta_.fingerprint = view_unless_empty(), true;
      case kUsage:
        reading_.which == 0 ? take_usage() : void(json_.skip());
        return false;  // the client gets what is billed, which may be something else
      default: break;
    }
    json_.skip();
    // Another Hanse upstream says what it cost us, not what it costs the client.
    const bool is_private = name.raw == "hanse" || reading_.engine.is_private_member(name.raw);
    return name.escaped || !is_private;
  }

  std::uint32_t known(const JsonString& name) {
    const std::uint32_t bit = name.says("id")                   ? kId
                              : name.says("choices")            ? kChoices
                              : name.says("model")              ? kModel
                              : name.says("created")            ? kCreated
                              : name.says("usage")              ? kUsage
                              : name.says("error")              ? kError
                              : name.says("system_fingerprint") ? kFingerprint
                                                                : 0U;
    if ((seen_ & bit) != 0) json_.fail("a member comes twice");
    seen_ |= bit;
    return bit;
  }

  void take_usage() {
    const auto report = read_usage(json_);
    if (!report) return;
    delta_.usage = report->usage;
    delta_.usage_lacks_prompt = report->lacks_prompt;
    delta_.usage_lacks_output = report->lacks_output;
  }

  bool replace(Part part) {
    json_.peek();
    const std::uint32_t begin = json_.offset();
    json_.skip();
    return edit({begin, json_.offset()}, part);
  }

  bool edit(ByteRange range, Part part) {
    return delta_.edits.try_push({range, part}) || json_.fail("too many members to edit");
  }

  void read_choices() {
    if (json_.peek() == JsonType::null) {
      json_.read_null();
      return;
    }
    const std::uint32_t array_begin = json_.offset();
    JsonArray array(json_);
    std::uint32_t chosen_end = 0;
    while (array.next()) {
      if (json_.peek() != JsonType::object) {
        json_.fail("a choice must be an object");
        return;
      }
      if (choices_ == reading_.which) {
        const bool others_went_before = choices_ > 0 && cuts_choices();
        if (others_went_before) edit({array_begin + 1, json_.offset()}, Part::unwanted);
        read_choice();
        chosen_end = json_.offset();
      } else {
        json_.skip();
      }
      ++choices_;
    }
    const bool others_follow = choices_ > reading_.which + 1;
    if (others_follow && cuts_choices()) edit({chosen_end, json_.offset() - 1}, Part::unwanted);
  }

  // A whole reply goes out with all its choices.
  [[nodiscard]] bool cuts_choices() const { return reading_.shape == ReplyShape::event; }

  void read_choice() {
    delta_.has_choice = true;
    JsonObject object(json_);
    for (JsonString name; object.next(name);) {
      if (name.says("index")) {
        read_index();
      } else if (name.says("finish_reason")) {
        read_finish();
      } else if (name.says("logprobs")) {
        delta_.logprobs = view_unless_empty();
      } else if (name.says("error")) {
        read_error();  // OpenRouter tells of one here
      } else if (name.says(content_name())) {
        read_content(name);
      } else {
        json_.skip();
      }
    }
  }

  [[nodiscard]] std::string_view content_name() const {
    if (reading_.dialect == Dialect::completion) return "text";
    return reading_.shape == ReplyShape::event ? "delta" : "message";
  }

  void read_content(const JsonString& name) {
    if (reading_.dialect == Dialect::completion) {
      if (!read_text(delta_.text)) note_vendor_part(name);
    } else if (json_.peek() == JsonType::null) {
      json_.read_null();
    } else {
      read_message();
    }
  }

  void read_index() {
    std::string_view number;
    if (json_.peek() != JsonType::number || !json_.read_number(number)) {
      json_.fail("a choice's index must be a number");
      return;
    }
    const auto index = json_integer(number);
    if (!index || *index < 0 || *index > INT32_MAX) {
      json_.fail("a choice's index is out of range");
      return;
    }
    delta_.choice = static_cast<std::uint32_t>(*index);
  }

  void read_finish() {
    if (json_.peek() == JsonType::null) {
      json_.read_null();
      return;
    }
    const std::uint32_t begin = json_.offset();
    JsonString word;
    if (!json_.read_string(word)) return;
    delta_.finish = finish_of(word);
    delta_.finish_value = text_.substr(begin, json_.offset() - begin);
    // Said by vLLM, SGLang and OpenRouter of an answer that was not finished.
    if (word.says("abort") || word.says("error")) {
      is_error_ = true;
      if (words_.message.empty()) words_.message = "the engine gave the answer up";
      words_.code.assign(word.raw);
    }
  }

  void read_message() {
    MemberCutter cutter(delta_, json_.offset());
    JsonObject object(json_);
    for (JsonString name; object.next(name);) {
      cutter.begin_member(static_cast<std::uint32_t>(name.raw.data() - text_.data()) - 1);
      const bool is_role = name.says("role");
      if (!read_message_member(name)) note_vendor_part(name);
      if (json_.failed()) return;
      if (!is_role || reading_.shape == ReplyShape::whole) {
        cutter.keep(json_.offset());
      } else if (!cutter.cut(json_.offset(), Part::role)) {
        json_.fail("too many members to edit");
      }
    }
  }

  // The member that has just been read; of several all from the first to the last.
  void note_vendor_part(const JsonString& name) {
    const char* begin =
        delta_.vendor_part.empty() ? name.raw.data() - 1 : delta_.vendor_part.data();
    delta_.vendor_part = {begin, static_cast<std::size_t>(json_.here() - begin)};
  }

  // Says whether it is known here; null and empty values are.
  bool read_message_member(const JsonString& name) {
    if (name.says("content")) return read_text(delta_.text);
    if (name.says("role")) {
      json_.skip();
      return delta_.has_role = true;
    }
    if (name.says("reasoning_content") || name.says("reasoning")) {
      // vLLM sends one text under both names.
      std::string_view text;
      const bool is_known = read_text(text);
      if (delta_.reasoning.empty()) delta_.reasoning = text;
      return is_known;
    }
    if (name.says("refusal")) return read_text(delta_.refusal);
    if (name.says("tool_calls")) return delta_.tool_calls = view_unless_empty(), true;
    if (name.says("function_call")) return delta_.function_call = view_unless_empty(), true;
    return view_unless_empty().empty();
  }

  // The inside of a string; nothing for null. False: it is something else, a
  // vendor's.
  bool read_text(std::string_view& into) {
    const JsonType type = json_.peek();
    JsonString text;
    if (type == JsonType::string) {
      json_.read_string(text);
    } else {
      json_.skip();
    }
    into = text.raw;
    return type == JsonType::string || type == JsonType::null;
  }

  // The value as it stands; nothing for null, "", {} and [].
  std::string_view view_unless_empty() {
    const JsonType type = json_.peek();
    const std::uint32_t begin = json_.offset();
    json_.skip();
    const std::string_view view = text_.substr(begin, json_.offset() - begin);
    if (json_.failed() || type == JsonType::null || view == "\"\"") return {};
    if (type == JsonType::object || type == JsonType::array) {
      const bool empty = view.find_first_not_of(" \t\r\n", 1) == view.size() - 1;
      if (empty) return {};
    }
    return view;
  }

  void read_error();

  std::string_view text_;
  JsonCursor json_;
  ReplyReading reading_;
  Delta& delta_;
  ErrorWords& words_;
  std::uint32_t seen_ = 0;
  std::uint32_t choices_ = 0;
  bool is_error_ = false;
};

// What of an engine's words is kept.
constexpr std::size_t kWordsMax = 2048;

void take_words(const JsonString& text, std::string& out) {
  out.clear();
  append_json_unescaped(text.raw, out);
  if (out.size() > kWordsMax) {
    out.resize(kWordsMax);
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0U) == 0x80) out.pop_back();
  }
}

// A string, or the digits of a number; anything else is passed over.
void take_scalar(JsonCursor& json, std::string& out) {
  switch (json.peek()) {
    case JsonType::string: {
      JsonString text;
      if (json.read_string(text)) take_words(text, out);
      return;
    }
    case JsonType::number: {
      std::string_view number;
      if (json.read_number(number)) out.assign(number);
      return;
    }
    default: json.skip();
  }
}

// `{"message":..., "type":..., "code":..., "param":...}`, or only a text.
void read_error_value(JsonCursor& json, ErrorWords& words) {
  if (json.peek() != JsonType::object) {
    take_scalar(json, words.message);
    return;
  }
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if (name.says("message") || name.says("detail")) {
      take_scalar(json, words.message);
    } else if (name.says("type")) {
      take_scalar(json, words.type);
    } else if (name.says("code")) {
      take_scalar(json, words.code);
    } else if (name.says("param")) {
      take_scalar(json, words.param);
    } else {
      json.skip();
    }
  }
}

// null, false and "" stand for none.
void ReplyReader::read_error() {
  const JsonType type = json_.peek();
  const std::uint32_t begin = json_.offset();
  if (type == JsonType::object) {
    is_error_ = true;
    return read_error_value(json_, words_);
  }
  json_.skip();
  const std::string_view value = text_.substr(begin, json_.offset() - begin);
  if (json_.failed() || value == "null" || value == "false" || value == "\"\"") return;
  is_error_ = true;
  JsonCursor again(value, kRules);
  read_error_value(again, words_);
}

// An object of an error's words, or a list of such, of which the first counts.
void read_errors(JsonCursor& json, ErrorWords& words) {
  if (json.peek() != JsonType::array) return read_error_value(json, words);
  ErrorWords rest;
  bool is_first = true;
  for (JsonArray array(json); array.next(); is_first = false) {
    read_error_value(json, is_first ? words : rest);
  }
}

}  // namespace

ReplyFound read_reply(std::string_view json, const ReplyReading& reading, Delta& delta,
                      ErrorWords& words) {
  return ReplyReader(json, reading, delta, words).read();
}

bool read_error_body(std::string_view body, ErrorWords& words) {
  // `{"error":{...}}` as OpenAI has it; `{"object":"error","message":...}` of
  // older vLLM; `{"detail":...}` of FastAPI; `{"message":...}` and
  // `{"errors":[...]}` of proxies.
  JsonCursor json(body, kRules);
  if (json.peek() != JsonType::object) return false;
  bool found = false;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if ((name.says("error") || name.says("errors")) && json.peek() != JsonType::null) {
      read_errors(json, words);
      found = true;
    } else if (!found && (name.says("message") || name.says("detail"))) {
      take_scalar(json, words.message);
    } else if (!found && name.says("type")) {
      take_scalar(json, words.type);
    } else if (!found && name.says("code")) {
      take_scalar(json, words.code);
    } else {
      json.skip();
    }
  }
  return !json.failed() && (found || !words.message.empty());
}

namespace {

// Some say with a message that all is well: 0, or 200.
bool is_of_failure(std::optional<std::int64_t> code) {
  return !code || (*code != 0 && (*code < 200 || *code > 299));
}

}  // namespace

bool read_error_in_stream(std::string_view event, ErrorWords& words) {
  bool is_one = false;
  bool has_code = false;
  bool has_message = false;
  JsonCursor json(event, kRules);
  if (json.peek() != JsonType::object) return false;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    const bool is_object = name.says("object");
    JsonString word;
    if ((is_object || name.says("type")) && json.peek() == JsonType::string) {
      json.read_string(word);
      is_one = is_one || word.says("error");
      continue;
    }
    const JsonType type = json.peek();
    if (type == JsonType::number && (name.says("code") || name.says("status"))) {
      std::string_view number;
      has_code = (json.read_number(number) && is_of_failure(json_integer(number))) || has_code;
      continue;
    }
    const bool says_something = type != JsonType::null && type != JsonType::boolean;
    is_one = is_one || (says_something && (name.says("detail") || name.says("errors")));
    has_code = has_code || (type == JsonType::string && name.says("code"));
    has_message = has_message || (says_something && name.says("message"));
    json.skip();
  }
  if (!is_one && !(has_code && has_message)) return false;
  if (!read_error_body(event, words)) words.message = "an error event without words";
  return true;
}

}  // namespace hanse::engines
