#include "apps/hanse/admin_client.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "adapters/http/client.h"
#include "adapters/http/loop.h"
#include "drivers/serve/secret.h"

namespace hanse::app {
namespace {

constexpr Duration kLimit = seconds(5);

class Asker final : public http::CallObserver {
 public:
  void on_head(const http::ResponseHead& head) override { reply.status = head.status(); }
  void on_data(std::string_view bytes) override { reply.body += bytes; }
  void on_complete() override { done = true; }
  void on_failure(const http::CallFailure& failure) override {
    error = failure.to_error();
    done = true;
  }

  AdminReply reply;
  std::optional<Error> error;
  bool done = false;
};

}  // namespace

Result<AdminReply> ask_admin(const config::GatewayOptions& gateway, std::string_view target) {
  return tell_admin(gateway, "GET", target, {});
}

std::string why_refused(const AdminReply& reply) {
  const auto error = nlohmann::json::parse(reply.body, nullptr, false);
  const bool told =
      error.is_object() && error.contains("error") && error["error"].contains("message");
  return told ? error["error"]["message"].get<std::string>() : reply.body;
}

Result<AdminReply> tell_admin(const config::GatewayOptions& gateway, std::string_view method,
                              std::string_view target, std::string_view body) {
  std::string authorization;
  if (!gateway.admin_token_file.empty()) {
    auto token = serve::read_admin_token(gateway.admin_token_file);
    if (!token) return std::unexpected(std::move(token.error()));
    authorization = "Bearer " + *token;
  }
  http::Loop loop;
  http::Origin origin;
  if (gateway.admin.kind == config::Address::Kind::unix_socket) {
    origin.host = "localhost";
    origin.unix_path = gateway.admin.path.string();
  } else {
    origin.host = gateway.admin.host;
    origin.port = gateway.admin.port;
  }
  http::Pool pool(loop, origin);
  Asker asker;
  http::Call call;
  const std::array<http::HeaderLine, 1> headers{{{"authorization", authorization}}};
  call.start(pool,
             {.method = method,
              .target = target,
              .headers = http::HeaderLines(headers.data(), authorization.empty() ? 0 : 1),
              .body = std::span(&body, body.empty() ? 0 : 1)},
             {.connect = kLimit, .head = kLimit, .between_bytes = kLimit, .whole = kLimit}, asker);
  loop.run_until([&] { return asker.done; }, kLimit + seconds(1));
  call.cancel();
  if (asker.error) {
    return fail(
        {ErrorCode::unavailable, Fault::upstream, Retry::later,
         fmt::format("no gateway answers at {}: {}", gateway.admin.text(), asker.error->message)});
  }
  return std::move(asker.reply);
}

}  // namespace hanse::app
