// src/adapters/api/request_headers.h
// The request headers that Hanse reads. An absent header is an empty view.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/api/errors.h"
#include "core/gate/labels.h"

namespace hanse::api {

// The key in `Authorization: Bearer <key>`, the scheme in any case.
// Fails: unauthenticated for none and for other schemes, in different words.
std::expected<std::string_view, Problem> read_bearer(std::string_view authorization);

// `Hanse-Class`: the name of a latency class; nothing when absent.
// Fails: bad_request when it is no name at all; whether it exists is the
// configuration's to say.
std::expected<std::optional<std::string_view>, Problem> read_class(std::string_view value);

// Whether a header's name, in any case, begins like ours and is none of them:
// `Hanse-Labels`, `Hanse.Data`. What is meant for us and would pass unnoticed
// must be refused: a label that is not understood does not count as none. Looks
// at one letter of most names.
bool is_almost_ours(std::string_view name);
// Names the nearest of our headers.
Problem not_our_header(std::string_view name);
// Whether the value of a `Trailer` header announces a field that begins like
// ours: read after the body, it would come too late for any decision.
bool announces_ours(std::string_view trailer);

// `Idempotency-Key`, as the client chose it: 1 to 255 visible ASCII characters.
// It stands for itself; quotes, as the IETF's draft has them, are part of it.
// Fails: bad_request, also for an empty one: a client that sends it relies on it.
std::expected<std::string_view, Problem> read_idempotency_key(std::string_view value);

struct LabelRules {
  gate::LabelSet tenant_default;
  bool key_may_relax = false;
};
// `Hanse-Data`: what the header says is added to the tenant's labels, or, for a
// key that may relax, stands in their place; see gate::resolve_labels().
// Fails: bad_request for a malformed or unknown label.
std::expected<gate::LabelSet, Problem> read_labels(const gate::LabelVocabulary& vocabulary,
                                                   std::string_view value, const LabelRules& rules);

// W3C Trace Context, version 00.
struct TraceContext {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> parent_id{};
  std::uint8_t flags = 0;

  bool operator==(const TraceContext&) const = default;
};
// Nothing when absent or malformed: the standard says to start anew then.
std::optional<TraceContext> read_traceparent(std::string_view value);
// The context of our own span: the client's trace or a new one. The random
// bits are the caller's.
TraceContext child_context(const std::optional<TraceContext>& parent,
                           const std::array<std::uint64_t, 3>& random);
// The header's value.
using Traceparent = std::array<char, 55>;
Traceparent to_traceparent(const TraceContext& context);

// The client's own request id for the record: printable ASCII, at most 128
// bytes, else nothing.
std::optional<std::string_view> read_client_request_id(std::string_view value);

}  // namespace hanse::api
