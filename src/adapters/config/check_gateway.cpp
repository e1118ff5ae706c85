// Whether the gateway can be reached as it says, and only by those it means.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/config/draft.h"
#include "adapters/config/values.h"

namespace hanse::config {
namespace {

// A Unix socket's path is part of a fixed structure of the kernel.
constexpr std::size_t kSocketPathMax = 107;

void check_tls(Draft& draft, const Section& gateway) {
  const Node* certificate = gateway.get("tls_certificate_file");
  const Node* key = gateway.get("tls_key_file");
  if ((certificate == nullptr) != (key == nullptr)) {
    const Node& given = certificate != nullptr ? *certificate : *key;
    const std::string_view missing =
        certificate != nullptr ? "tls_key_file" : "tls_certificate_file";
    draft.report.error(given.place,
                       {gateway.path_of(missing), fmt::format("TLS needs '{}', too", missing), ""});
    return;
  }
  const Node* listen = gateway.get("listen");
  if (certificate != nullptr || listen == nullptr) return;
  for (const Node& item : listen->items) {
    const auto address = parse_address(item.text);
    if (!address || address->is_local()) continue;
    draft.report.warning(item.place,
                         {gateway.path_of("listen"),
                          fmt::format("{} is reachable from other machines, and without TLS: keys "
                                      "and prompts travel in clear",
                                      item.text),
                          "give tls_certificate_file and tls_key_file, or listen on 127.0.0.1 "
                          "behind something that does TLS"});
  }
}

void check_admin(Draft& draft, const Section& gateway) {
  const GatewayOptions& options = draft.configuration.gateway;
  const Node* given = gateway.get("admin");
  const Place place = given != nullptr ? given->place : gateway.place();
  const std::string path = gateway.path_of("admin");
  if (options.admin.kind == Address::Kind::unix_socket) {
    if (options.admin.path.native().size() > kSocketPathMax) {
      draft.report.error(place, {path,
                                 fmt::format("the socket's path {} is longer than {} bytes",
                                             options.admin.path.string(), kSocketPathMax),
                                 "give a shorter one: admin = \"unix:PATH\""});
    }
    return;
  }
  if (gateway.get("admin_token_file") == nullptr) {
    draft.report.error(
        place, {path, "an admin listener on TCP needs a token",
                "give admin_token_file, or listen on a Unix socket: admin = \"unix:PATH\""});
  }
  if (!options.admin.is_local()) {
    draft.report.warning(place,
                         {path,
                          fmt::format("{} is reachable from other machines, and the admin listener "
                                      "has no TLS: its token travels in clear",
                                      options.admin.text()),
                          "listen on 127.0.0.1 or a Unix socket"});
  }
  if (options.admin.port != 0 &&
      std::ranges::find(options.listen, options.admin) != options.listen.end()) {
    draft.report.error(place, {path, "clients are served there already (see gateway.listen)", ""});
  }
}

void check_kept_answers(Draft& draft, const Section& limits) {
  const Node* kept = limits.get("idempotency_bytes_max");
  const Node* answer = limits.get("idempotency_answer_bytes_max");
  if (kept != nullptr && answer != nullptr && kept->number < answer->number) {
    draft.report.error(
        kept->place,
        {limits.path_of("idempotency_bytes_max"),
         fmt::format("expected at least one answer (idempotency_answer_bytes_max is {}), found {}",
                     answer->text, kept->text),
         ""});
  }
}

}  // namespace

void check_gateway(Draft& draft) {
  const Section document = top(draft);
  const Section gateway = document.section("gateway");
  check_tls(draft, gateway);
  check_admin(draft, gateway);
  check_word(draft, gateway, "strategy", "strategy", draft.surroundings.strategies);

  const Section http = document.section("http");
  const Node* retained = http.get("retained_bytes_max");
  const Node* body = http.get("body_bytes_max");
  if (retained != nullptr && body != nullptr && retained->number < body->number) {
    draft.report.error(retained->place,
                       {http.path_of("retained_bytes_max"),
                        fmt::format("expected at least one body (body_bytes_max is {}), found {}",
                                    body->text, retained->text),
                        ""});
  }

  check_kept_answers(draft, document.section("limits"));

  const Section health = document.section("health");
  const Node* first = health.get("pause_first");
  const Node* longest = health.get("pause_max");
  if (first != nullptr && longest != nullptr && longest->number < first->number) {
    draft.report.error(
        longest->place,
        {health.path_of("pause_max"),
         fmt::format("expected at least the first pause (pause_first is {}), found {}", first->text,
                     longest->text),
         ""});
  }
}

}  // namespace hanse::config
