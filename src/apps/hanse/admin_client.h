// src/apps/hanse/admin_client.h
// Asks a running gateway's admin listener, as its configuration names it.
#pragma once

#include <string>
#include <string_view>

#include "adapters/config/configuration.h"
#include "base/result.h"

namespace hanse::app {

struct AdminReply {
  int status = 0;
  std::string body;
};

// Fails: unavailable when nobody answers there within five seconds;
// invalid_input when the token cannot be read.
Result<AdminReply> ask_admin(const config::GatewayOptions& gateway, std::string_view target);

// Tells it something: `method` is POST or DELETE. Fails: likewise.
Result<AdminReply> tell_admin(const config::GatewayOptions& gateway, std::string_view method,
                              std::string_view target, std::string_view body);

// What it says was wrong, in its own words where it has some.
std::string why_refused(const AdminReply& reply);

}  // namespace hanse::app
