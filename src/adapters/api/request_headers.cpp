#include "adapters/api/request_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/ascii.h"
#include "base/nearest_word.h"

namespace hanse::api {
namespace {

bool is_bearer(std::string_view scheme) { return equal_but_for_case(scheme, "bearer"); }

std::unexpected<Problem> no_key(std::string message) {
  return std::unexpected(Problem{.kind = ProblemKind::unauthenticated,
                                 .message = std::move(message),
                                 .param = "authorization"});
}

// Lower-case hexadecimal only, as the standard has it.
bool read_hex(std::string_view text, std::span<std::uint8_t> out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int digit = lower_hex_value(text[i]);
    if (digit < 0) return false;
    out[i / 2] = static_cast<std::uint8_t>(out[i / 2] * 16 + digit);
  }
  return true;
}

bool all_zero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

void put_bits(std::uint64_t bits, std::span<std::uint8_t> out) {
  for (std::uint8_t& byte : out) {
    byte = static_cast<std::uint8_t>(bits);
    bits >>= 8U;
  }
  // The standard forbids all zeros.
  if (all_zero(out)) out.back() = 1;
}

char* write_hex(std::span<const std::uint8_t> bytes, char* to) {
  for (const std::uint8_t byte : bytes) {
    *to++ = kHexDigits[byte >> 4U];
    *to++ = kHexDigits[byte & 0xFU];
  }
  return to;
}

constexpr std::array<std::string_view, 2> kOurs = {"hanse-data", "hanse-class"};

bool begins_like_ours(std::string_view name) {
  constexpr std::string_view kBegin = "hanse";
  if (name.empty() || (name.front() != 'h' && name.front() != 'H')) return false;
  return equal_but_for_case(name.substr(0, kBegin.size()), kBegin);
}

}  // namespace

bool is_almost_ours(std::string_view name) {
  return begins_like_ours(name) && std::ranges::none_of(kOurs, [&](std::string_view ours) {
           return equal_but_for_case(name, ours);
         });
}

Problem not_our_header(std::string_view name) {
  // A name can be as long as a head; nobody reads that far.
  constexpr std::size_t kShown = 64;
  const std::string_view shown = name.substr(0, kShown);
  std::string_view nearest = nearest_word(shown, kOurs);
  // Labels are what must not get lost, so they are what is thought of first.
  if (nearest.empty()) nearest = kOurs[0];
  return bad_request(
      fmt::format("There is no request header `{}`. Did you mean `{}`?", shown, nearest),
      std::string(nearest));
}

bool announces_ours(std::string_view trailer) {
  while (!trailer.empty()) {
    const std::size_t comma = trailer.find(',');
    if (begins_like_ours(trimmed(trailer.substr(0, comma)))) return true;
    if (comma == std::string_view::npos) return false;
    trailer.remove_prefix(comma + 1);
  }
  return false;
}

std::expected<std::string_view, Problem> read_bearer(std::string_view authorization) {
  const std::string_view value = trimmed(authorization);
  if (value.empty()) {
    return no_key("No key was given. Send it as `Authorization: Bearer <key>`.");
  }
  const std::size_t blank = value.find_first_of(" \t");
  if (!is_bearer(value.substr(0, blank))) {
    // Not quoted: somebody may have sent a bare key.
    return no_key(
        "The Authorization header is of another scheme. Send the key as "
        "`Authorization: Bearer <key>`.");
  }
  const std::string_view key = blank == std::string_view::npos ? "" : trimmed(value.substr(blank));
  if (key.empty()) return no_key("The Authorization header says Bearer but holds no key.");
  if (std::ranges::any_of(key, [](char c) { return c == ' ' || c == '\t' || c == ','; })) {
    return no_key("The Authorization header holds more than one key.");
  }
  return key;
}

std::expected<std::optional<std::string_view>, Problem> read_class(std::string_view value) {
  const std::string_view name = trimmed(value);
  if (name.empty()) return std::nullopt;
  const bool is_name = name.size() <= 64 && std::ranges::all_of(name, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                       });
  if (!is_name) {
    return std::unexpected(
        bad_request("Hanse-Class must be the name of one latency class.", "hanse-class"));
  }
  return name;
}

std::expected<std::string_view, Problem> read_idempotency_key(std::string_view value) {
  constexpr std::size_t kLongest = 255;
  const std::string_view key = trimmed(value);
  const bool visible = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7F; });
  if (!key.empty() && key.size() <= kLongest && visible) return key;
  return std::unexpected(
      bad_request("Idempotency-Key must be 1 to 255 visible ASCII characters without blanks, say a "
                  "random UUID for each request.",
                  "idempotency-key"));
}

std::expected<gate::LabelSet, Problem> read_labels(const gate::LabelVocabulary& vocabulary,
                                                   std::string_view value,
                                                   const LabelRules& rules) {
  gate::LabelClaim claim{.tenant_default = rules.tenant_default,
                         .header = std::nullopt,
                         .may_relax = rules.key_may_relax};
  if (!trimmed(value).empty()) claim.header = value;
  auto labels = gate::resolve_labels(vocabulary, claim);
  if (!labels) return std::unexpected(bad_request(labels.error().message, "hanse-data"));
  return *labels;
}

std::optional<TraceContext> read_traceparent(std::string_view value) {
  value = trimmed(value);
  // Later versions may append more; version ff is forbidden.
  const bool fits = value.size() == 55 || (value.size() > 55 && value[55] == '-');
  if (!fits || value[2] != '-' || value[35] != '-' || value[52] != '-') return std::nullopt;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  TraceContext context;
  const bool is_hex =
      read_hex(value.substr(0, 2), version) && read_hex(value.substr(3, 32), context.trace_id) &&
      read_hex(value.substr(36, 16), context.parent_id) && read_hex(value.substr(53, 2), flags);
  if (!is_hex || version[0] == 0xFF || (version[0] == 0 && value.size() != 55)) return std::nullopt;
  if (all_zero(context.trace_id) || all_zero(context.parent_id)) return std::nullopt;
  context.flags = flags[0];
  return context;
}

TraceContext child_context(const std::optional<TraceContext>& parent,
                           const std::array<std::uint64_t, 3>& random) {
  TraceContext child;
  if (parent) {
    child = *parent;
  } else {
    put_bits(random[0], std::span(child.trace_id).first<8>());
    put_bits(random[1], std::span(child.trace_id).last<8>());
  }
  put_bits(random[2], child.parent_id);
  // Only `sampled` is passed on; the other bits are not ours to claim.
  child.flags &= 1U;
  return child;
}

Traceparent to_traceparent(const TraceContext& context) {
  Traceparent text;
  text.fill('-');
  text[0] = text[1] = '0';
  char* const trace_id = text.data() + 3;
  char* const parent_id = write_hex(context.trace_id, trace_id) + 1;
  char* const flags = write_hex(context.parent_id, parent_id) + 1;
  write_hex(std::span(&context.flags, 1), flags);
  return text;
}

std::optional<std::string_view> read_client_request_id(std::string_view value) {
  value = trimmed(value);
  const bool printable = std::ranges::all_of(value, [](char c) { return c > 0x20 && c < 0x7F; });
  if (value.empty() || value.size() > 128 || !printable) return std::nullopt;
  return value;
}

}  // namespace hanse::api
