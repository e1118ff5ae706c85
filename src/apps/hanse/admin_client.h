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

}  // namespace hanse::app
