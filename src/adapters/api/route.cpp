#include "adapters/api/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/ascii.h"

namespace hanse::api {
namespace {

constexpr std::string_view kModels = "/v1/models";

std::unexpected<Problem> not_found(std::string_view path) {
  constexpr std::size_t kShown = 128;
  return std::unexpected(Problem{
      .kind = ProblemKind::route_not_found,
      .message = fmt::format("There is nothing at {}. Try /v1/chat/completions, /v1/completions or "
                             "/v1/models.",
                             path.substr(0, kShown))});
}

std::expected<Route, Problem> only(std::string_view method, std::string_view allowed, Route route) {
  if (method == allowed) return route;
  return std::unexpected(Problem{.kind = ProblemKind::method_not_allowed,
                                 .message = fmt::format("This path takes {} only.", allowed),
                                 .allow = std::string(allowed)});
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool begins(std::string_view text, std::string_view word) {
  return equal_but_for_case(text.substr(0, word.size()), word);
}
bool ends(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         equal_but_for_case(text.substr(text.size() - word.size()), word);
}

}  // namespace

std::expected<Route, Problem> find_route(std::string_view method, std::string_view target) {
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  if (path == "/v1/chat/completions")
    return only(method, "POST", {Operation::chat_completions, {}});
  if (path == "/v1/completions") return only(method, "POST", {Operation::completions, {}});
  if (path == kModels) return only(method, "GET", {Operation::list_models, {}});
  // Names of models hold slashes, escaped by some clients and not by others.
  if (path.starts_with("/v1/models/")) {
    auto id = percent_decoded(path.substr(kModels.size() + 1));
    if (!id || id->empty()) return not_found(path);
    return only(method, "GET", {Operation::get_model, std::move(*id)});
  }
  return not_found(path);
}

std::expected<void, Problem> check_content_type(std::string_view content_type) {
  if (trimmed(content_type).empty()) return {};
  std::string_view parameters = content_type;
  const std::string_view type = trimmed(parameters.substr(0, parameters.find(';')));
  bool fits = equal_but_for_case(type, "application/json") || ends(type, "+json");
  while (fits && parameters.find(';') != std::string_view::npos) {
    parameters.remove_prefix(parameters.find(';') + 1);
    const std::string_view parameter = trimmed(parameters.substr(0, parameters.find(';')));
    if (!begins(parameter, "charset=")) continue;
    const std::string_view charset = parameter.substr(8);
    fits = equal_but_for_case(charset, "utf-8") || equal_but_for_case(charset, "\"utf-8\"") ||
           equal_but_for_case(charset, "utf8");
  }
  if (fits) return {};
  return std::unexpected(Problem{.kind = ProblemKind::unsupported_media,
                                 .message = "The body must be sent as application/json in UTF-8.",
                                 .param = "content-type"});
}

}  // namespace hanse::api
