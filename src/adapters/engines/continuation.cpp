// Whether an answer to a question can be gone on with in the middle.
#include <algorithm>
#include <array>

#include "adapters/engines/engine.h"
#include "base/json_cursor.h"

namespace hanse::engines {
namespace {

using answer::Dialect;

// Members of a request that say themselves where the answer begins or ends.
constexpr std::array<std::string_view, 4> kNotToBeContinued = {
    "continue_final_message", "add_generation_prompt", "suffix", "template"};

bool names_any_of_these(std::string_view body) {
  JsonCursor json(body);
  JsonObject members(json);
  for (JsonString name; members.next(name);) {
    const bool is_one = std::ranges::any_of(kNotToBeContinued,
                                            [&](std::string_view word) { return name.says(word); });
    if (is_one) return true;
    json.skip();
  }
  return false;
}

// Who speaks last, as it stands; empty when it cannot be told.
bool last_word_is_the_assistants(std::string_view messages) {
  bool is_assistant = true;  // until a message says otherwise
  JsonCursor json(messages);
  for (JsonArray array(json); array.next();) {
    is_assistant = false;
    JsonObject message(json);
    for (JsonString name; message.next(name);) {
      JsonString role;
      if (name.says("role") && json.peek() == JsonType::string && json.read_string(role)) {
        is_assistant = role.says("assistant");
      } else if (!name.says("role")) {
        json.skip();
      }
    }
  }
  return is_assistant || json.failed();
}

}  // namespace

bool may_be_continued(const answer::Question& question, std::string_view body) {
  if (question.choices != 1 || question.generations != 1 || question.prompts != 1) return false;
  if (question.has_tools || question.has_response_format || question.has_logprobs) return false;
  if (question.has_echo || names_any_of_these(body)) return false;
  if (question.dialect == Dialect::completion) {
    return question.prompt_field.value.in(body).starts_with('"');
  }
  return !last_word_is_the_assistants(question.messages_field.value.in(body));
}

}  // namespace hanse::engines
