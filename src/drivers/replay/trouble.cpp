#include "drivers/replay/trouble.h"

namespace hanse::replay {
namespace {

using answer::Failure;

// In the order of the enumeration.
constexpr std::array<std::string_view, kTroubles> kTroubleWords = {"none",
                                                                   "refused",
                                                                   "tls_failure",
                                                                   "silent",
                                                                   "headers_only",
                                                                   "rate_limited",
                                                                   "overloaded",
                                                                   "server_error",
                                                                   "credentials",
                                                                   "model_missing",
                                                                   "context_exceeded",
                                                                   "content_filter",
                                                                   "client_request",
                                                                   "bad_answer",
                                                                   "cut",
                                                                   "stall",
                                                                   "error_event",
                                                                   "oversize",
                                                                   "slow"};
static_assert(kTroubles == static_cast<std::size_t>(Trouble::slow) + 1);

constexpr std::array<std::string_view, 4> kConditionWords = {"up", "down", "hung", "cut_off"};
static_assert(kConditionWords.size() == static_cast<std::size_t>(Condition::cut_off) + 1);

constexpr std::array<std::string_view, 3> kTellingWords = {"nothing", "truth", "words"};
static_assert(kTellingWords.size() == static_cast<std::size_t>(Telling::What::words) + 1);

template <typename Word, std::size_t N>
std::optional<Word> parse(const std::array<std::string_view, N>& words, std::string_view word) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == word) return static_cast<Word>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Trouble trouble) {
  return kTroubleWords[static_cast<std::size_t>(trouble)];
}

std::optional<Trouble> parse_trouble(std::string_view word) {
  return parse<Trouble>(kTroubleWords, word);
}

std::string_view to_string(Condition condition) {
  return kConditionWords[static_cast<std::size_t>(condition)];
}

std::optional<Condition> parse_condition(std::string_view word) {
  return parse<Condition>(kConditionWords, word);
}

std::string_view to_string(Telling::What what) {
  return kTellingWords[static_cast<std::size_t>(what)];
}

std::optional<Telling::What> parse_telling(std::string_view word) {
  return parse<Telling::What>(kTellingWords, word);
}

Failure failure_at_once(Trouble trouble) {
  switch (trouble) {
    case Trouble::refused: return Failure::unreachable;
    case Trouble::tls_failure: return Failure::tls;
    case Trouble::rate_limited: return Failure::rate_limited;
    case Trouble::overloaded: return Failure::overloaded;
    case Trouble::server_error: return Failure::server_error;
    case Trouble::credentials: return Failure::credentials;
    case Trouble::model_missing: return Failure::model_missing;
    case Trouble::context_exceeded: return Failure::context_exceeded;
    case Trouble::content_filter: return Failure::content_filter;
    case Trouble::client_request: return Failure::client_request;
    case Trouble::bad_answer: return Failure::bad_answer;
    default: return Failure::none;
  }
}

Failure failure_in_mid_stream(Trouble trouble) {
  switch (trouble) {
    case Trouble::cut: return Failure::reset;
    case Trouble::error_event: return Failure::error_event;
    case Trouble::oversize: return Failure::oversize;
    default: return Failure::none;
  }
}

}  // namespace hanse::replay
