// src/adapters/api/route.h
// Which operation a request line asks for.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "adapters/api/errors.h"

namespace hanse::api {

enum class Operation : std::uint8_t { chat_completions, completions, list_models, get_model };

struct Route {
  Operation operation = Operation::chat_completions;
  std::string model_id;  // of get_model, percent-decoded

  bool operator==(const Route&) const = default;
};

// `target` is the request target in origin form; its query is not looked at.
// Fails: route_not_found, or method_not_allowed with what is allowed.
std::expected<Route, Problem> find_route(std::string_view method, std::string_view target);

// A body must be JSON: `application/json`, or a type ending in `+json`, with
// any parameters but a charset other than UTF-8. An absent header passes.
// Fails: unsupported_media.
std::expected<void, Problem> check_content_type(std::string_view content_type);

}  // namespace hanse::api
