#include "core/answer/failure.h"

namespace hanse::answer {

std::string_view to_string(Failure failure) {
  switch (failure) {
    case Failure::none: return "none";
    case Failure::unreachable: return "unreachable";
    case Failure::tls: return "tls";
    case Failure::silent: return "silent";
    case Failure::stalled: return "stalled";
    case Failure::reset: return "reset";
    case Failure::bad_answer: return "bad_answer";
    case Failure::rate_limited: return "rate_limited";
    case Failure::overloaded: return "overloaded";
    case Failure::server_error: return "server_error";
    case Failure::credentials: return "credentials";
    case Failure::model_missing: return "model_missing";
    case Failure::context_exceeded: return "context_exceeded";
    case Failure::content_filter: return "content_filter";
    case Failure::client_request: return "client_request";
    case Failure::error_event: return "error_event";
    case Failure::oversize: return "oversize";
    case Failure::diverged: return "diverged";
  }
  return "unknown";
}

Fault fault_of(Failure failure) {
  switch (failure) {
    case Failure::context_exceeded:
    case Failure::content_filter:
    case Failure::client_request: return Fault::client;
    // Our key, our list of models.
    case Failure::credentials:
    case Failure::model_missing: return Fault::us;
    default: return Fault::upstream;
  }
}

}  // namespace hanse::answer
