// src/apps/hanse/drill_live.h
// A drill for real: tells a running gateway which sites to leave out.
#pragma once

#include <span>

#include <nlohmann/json.hpp>

#include "adapters/config/configuration.h"
#include "base/result.h"
#include "base/time.h"
#include "core/fleet/loss.h"

namespace hanse::app {

// The drills under way afterwards, as the gateway tells them: [{site,
// ends_in_seconds}]. To end them, `losses` may be empty: all of them.
// Fails: unavailable when no gateway answers; not_found and invalid_input in
// the gateway's own words, whose configuration may be another than the files'.
Result<nlohmann::ordered_json> begin_drill(const config::GatewayOptions& gateway,
                                           std::span<const fleet::Loss> losses, Duration lasts);
Result<nlohmann::ordered_json> end_drill(const config::GatewayOptions& gateway,
                                         std::span<const fleet::Loss> losses);

// For people.
void print_drills(const nlohmann::ordered_json& drills);

}  // namespace hanse::app
