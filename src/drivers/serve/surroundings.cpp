#include "drivers/serve/surroundings.h"

#include <chrono>

#include "adapters/engines/engine.h"
#include "core/placement/strategy.h"

namespace hanse::serve {

WallTime wall_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return WallTime(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

config::Surroundings surroundings() {
  config::Surroundings around;
  around.now = wall_now();
  around.strategies = placement::strategy_names();
  around.engine_kinds.clear();
  around.continuing_kinds.clear();
  around.streaming_kinds.clear();
  for (const std::string_view kind : engines::engine_kinds()) {
    around.engine_kinds.emplace_back(kind);
    const engines::Capabilities& can = engines::find_engine(kind)->capabilities();
    if (can.continues_chat) around.continuing_kinds.emplace_back(kind);
    if (can.streams_always) around.streaming_kinds.emplace_back(kind);
  }
  return around;
}

}  // namespace hanse::serve
