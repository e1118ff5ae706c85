#include "apps/hanse/drill_live.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "apps/hanse/admin_client.h"

namespace hanse::app {
namespace {

using nlohmann::ordered_json;

ordered_json order_of(std::span<const fleet::Loss> losses) {
  ordered_json order = ordered_json::object();
  for (const fleet::Loss& loss : losses) {
    order[std::string(to_string(loss.kind))].push_back(loss.name);
  }
  return order;
}

Result<ordered_json> tell(const config::GatewayOptions& gateway, std::string_view method,
                          const ordered_json& order) {
  const std::string body = order.empty() ? std::string() : order.dump();
  auto reply = tell_admin(gateway, method, "/drills", body);
  if (!reply) return std::unexpected(std::move(reply.error()));
  if (reply->status != 200) {
    return fail({reply->status == 404 ? ErrorCode::not_found : ErrorCode::invalid_input,
                 Fault::client, Retry::no,
                 fmt::format("the gateway says: {}", why_refused(*reply))});
  }
  ordered_json told = ordered_json::parse(reply->body, nullptr, false);
  if (told.is_object() && told.contains("drills")) return std::move(told["drills"]);
  return fail({ErrorCode::broken, Fault::upstream, Retry::no,
               "what answers there is no gateway of this version"});
}

}  // namespace

Result<ordered_json> begin_drill(const config::GatewayOptions& gateway,
                                 std::span<const fleet::Loss> losses, Duration lasts) {
  ordered_json order = order_of(losses);
  order["lasts_seconds"] = lasts.count() / seconds(1).count();
  return tell(gateway, "POST", order);
}

Result<ordered_json> end_drill(const config::GatewayOptions& gateway,
                               std::span<const fleet::Loss> losses) {
  return tell(gateway, "DELETE", order_of(losses));
}

void print_drills(const ordered_json& drills) {
  if (drills.empty()) fmt::print("No site is left out on purpose now.\n");
  for (const ordered_json& drill : drills) {
    fmt::print("{} is left out, for {} s more.\n", drill.value("site", ""),
               drill.value("ends_in_seconds", std::int64_t{0}));
  }
}

}  // namespace hanse::app
