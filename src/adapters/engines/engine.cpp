#include "adapters/engines/engine.h"

#include <algorithm>

namespace hanse::engines {
namespace {

// Constant-initialised, so that it is there before any registration runs.
constinit const EngineRegistration* registered = nullptr;

}  // namespace

EngineRegistration::EngineRegistration(const Engine& engine) : engine_(engine), next_(registered) {
  registered = this;
}

const Engine* find_engine(std::string_view kind) {
  for (const auto* entry = registered; entry != nullptr; entry = entry->next_) {
    if (entry->engine_.kind() == kind) return &entry->engine_;
  }
  return nullptr;
}

std::vector<std::string_view> engine_kinds() {
  std::vector<std::string_view> kinds;
  for (const auto* entry = registered; entry != nullptr; entry = entry->next_) {
    kinds.push_back(entry->engine_.kind());
  }
  std::ranges::sort(kinds);
  return kinds;
}

std::string UpstreamRequest::body() const {
  std::string out;
  out.reserve(body_bytes_);
  for (const std::string_view piece : pieces_) out.append(piece);
  return out;
}

UpstreamHeaders upstream_headers(const HeaderFacts& facts) {
  UpstreamHeaders out;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out.headers[out.count++] = {name, value};
  };
  add("content-type", "application/json");
  add("accept", facts.streamed ? "text/event-stream" : "application/json");
  // Compressed events could not be spliced, and would be held back.
  add("accept-encoding", "identity");
  add("user-agent", "hanse/" HANSE_VERSION);
  add("authorization", facts.authorization);
  add("traceparent", facts.traceparent);
  return out;
}

}  // namespace hanse::engines
