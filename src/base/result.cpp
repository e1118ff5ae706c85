#include "base/result.h"

namespace hanse {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_input: return "invalid_input";
    case ErrorCode::unauthenticated: return "unauthenticated";
    case ErrorCode::forbidden: return "forbidden";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::over_budget: return "over_budget";
    case ErrorCode::over_rate: return "over_rate";
    case ErrorCode::at_capacity: return "at_capacity";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::timed_out: return "timed_out";
    case ErrorCode::broken: return "broken";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::internal: return "internal";
  }
  return "unknown";
}

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::client: return "client";
    case Fault::us: return "us";
    case Fault::upstream: return "upstream";
  }
  return "unknown";
}

std::string_view to_string(Retry retry) {
  switch (retry) {
    case Retry::no: return "no";
    case Retry::elsewhere: return "elsewhere";
    case Retry::later: return "later";
  }
  return "unknown";
}

}  // namespace hanse
