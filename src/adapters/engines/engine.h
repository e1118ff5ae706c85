// src/adapters/engines/engine.h
// The port to inference engines: what a kind of engine can do, how it is
// asked, and what its errors mean.
//
// A kind is one file in kinds/, found by the build; it registers itself by
// being linked. Kinds hold no state: an engine object is shared by all sites
// of its kind. Everything here is a codec, sockets are the driver's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "base/time.h"
#include "core/answer/failure.h"
#include "core/answer/question.h"

namespace hanse::engines {

// What is known of a kind, tried and not hoped.
struct Capabilities {
  // It goes on from a last message of the assistant, when asked as
  // write_request() asks. Never true of a kind that might answer a new turn.
  bool continues_chat = false;
  // It is asked for a stream, also when the client wants a whole answer.
  bool streams_always = false;
  // Each choice of a stream comes with a report of its own.
  bool reports_usage_per_choice = false;
  // How long the engine keeps an idle connection; ours must leave the pool
  // earlier.
  Duration idle_close = seconds(60);
  std::string_view health_path = "/health";
};

// What one attempt asks differently from the client's own words.
struct Ask {
  std::string_view upstream_model = {};
  // Spliced in for the client's own, or added; nothing leaves it as it is.
  std::optional<Tokens> output_limit = {};
  // The answer as far as the client has it, escaped as in JSON: the engine is to
  // go on from there. Empty: it answers from the beginning.
  // Requires: may_be_continued(); of a chat, `continues_chat`.
  std::string_view answer_so_far = {};
};

struct UpstreamHeader {
  std::string_view name;
  std::string_view value;
};

// A request in pieces over the client's bytes and a few bytes of its own. May
// be used again; keeps its capacity. Its views live until the body, the `Ask`
// or this object goes or is written again.
class UpstreamRequest {
 public:
  std::string_view path;  // "/v1/chat/completions", to be put after the site's URL
  bool streamed = false;  // whether the engine is asked for a stream

  [[nodiscard]] const std::vector<std::string_view>& pieces() const { return pieces_; }
  [[nodiscard]] std::size_t body_bytes() const { return body_bytes_; }
  // The body in one string, for tests and for a resend that outlives the client's bytes.
  [[nodiscard]] std::string body() const;

 private:
  friend class BodySplice;
  std::vector<std::string_view> pieces_;
  std::string own_bytes_;
  std::size_t body_bytes_ = 0;
};

// The error that an engine sent, as far as it could be read.
struct EngineError {
  std::int32_t http_status = 200;  // 200: the error came as a body or an event
  std::string_view message = {};   // unescaped
  std::string_view type = {};
  std::string_view code = {};  // a string, or a number's digits
  std::string_view param = {};
};

class Engine {
 public:
  virtual ~Engine() = default;

  [[nodiscard]] virtual std::string_view kind() const = 0;
  [[nodiscard]] virtual const Capabilities& capabilities() const = 0;

  // Writes the request of one attempt.
  // Requires: `question` was read from `body`; `ask.upstream_model` is not
  // empty.
  // Fails: invalid_input when the engine cannot be asked this at all.
  [[nodiscard]] virtual Status write_request(const answer::Question& question,
                                             std::string_view body, const Ask& ask,
                                             UpstreamRequest& out) const = 0;

  // Which failure an error is. Fills `failure`, and for the client's own
  // mistakes the words of OpenAI.
  [[nodiscard]] virtual answer::FailureReport classify(const EngineError& error) const = 0;

  // Members of events and replies that are this engine's private talk.
  [[nodiscard]] virtual bool is_private_member(std::string_view name) const = 0;

 protected:
  Engine() = default;
  Engine(const Engine&) = default;
  Engine& operator=(const Engine&) = default;
};

// Whether a question is such that an answer to it can be gone on with in the
// middle: one answer, nothing that a new beginning would lose (tools, schemas,
// probabilities), no last message of the assistant already. Reads the body, so
// it is for when an answer has broken and not before.
// Requires: `question` was read from `body`.
bool may_be_continued(const answer::Question& question, std::string_view body);

// The engine of that kind ("openai", "llama.cpp"), or nullptr. Lives for ever.
const Engine* find_engine(std::string_view kind);
// All kinds that were linked, in order of name: for messages.
std::vector<std::string_view> engine_kinds();

// A static object of this type in kinds/*.cpp adds its engine.
class EngineRegistration {
 public:
  explicit EngineRegistration(const Engine& engine);

 private:
  friend const Engine* find_engine(std::string_view kind);
  friend std::vector<std::string_view> engine_kinds();
  const Engine& engine_;
  const EngineRegistration* next_;
};

// What leaves for an engine beside the body: an allow list, so that nothing of
// the client's headers does. Host, Content-Length and Connection are the
// driver's.
struct HeaderFacts {
  std::string_view authorization = {};  // the site's own, "Bearer ..."; empty: none
  std::string_view traceparent = {};    // empty: none
  bool streamed = false;
};
struct UpstreamHeaders {
  static constexpr std::size_t kMax = 6;
  UpstreamHeader headers[kMax];
  std::size_t count = 0;

  [[nodiscard]] const UpstreamHeader* begin() const { return headers; }
  [[nodiscard]] const UpstreamHeader* end() const { return headers + count; }
};
// The views in the result are those of `facts` and of static text.
UpstreamHeaders upstream_headers(const HeaderFacts& facts);

}  // namespace hanse::engines
