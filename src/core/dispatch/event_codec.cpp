// As in record_codec.cpp, structured bindings name every member, so that a new
// one cannot be forgotten here.
#include "core/dispatch/event_codec.h"

#include <fmt/format.h>

#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/wire_words.h"

namespace hanse::dispatch {
namespace {

using answer::kLastFailure;

void write(RequestRef request, WireWriter& out) {
  out.varint(request.slot);
  out.varint(request.generation);
}
void read(RequestRef& request, WireReader& in) {
  read(request.slot, in);
  read(request.generation, in);
}

struct EventWriter {
  WireWriter& out;

  void operator()(const Arrived& event) const {
    const auto& [request, key, alias, latency_class, labels, prompt_bytes, prompt_tokens_max,
                 output_limit, choices, prompts, streamed] = event;
    write(request, out);
    write(key, out);
    write(alias, out);
    write(latency_class, out);
    out.varint(labels.bits());
    out.zigzag(prompt_bytes);
    write(prompt_tokens_max, out);
    write(output_limit, out);
    write(choices, out);
    write(prompts, out);
    write(streamed, out);
  }
  void operator()(const FirstToken& event) const {
    const auto& [request, attempt] = event;
    write(request, out);
    out.byte(attempt);
  }
  void operator()(const Progressed& event) const {
    const auto& [request, attempt, output, left] = event;
    write(request, out);
    out.byte(attempt);
    write(output, out);
    write(left, out);
  }
  void operator()(const AttemptEnded& event) const {
    const auto& [request, attempt, failure, usage, billed, output, resumable, paused, retry_after] =
        event;
    write(request, out);
    out.byte(attempt);
    write_enum(failure, out);
    write(usage, out);
    write(billed, out);
    write(output, out);
    write_enum(resumable, out);
    write(paused, out);
    write(retry_after, out);
  }
  void operator()(const ClientGone& event) const {
    const auto& [request, usage, billed, paused] = event;
    write(request, out);
    write(usage, out);
    write(billed, out);
    write(paused, out);
  }
  void operator()(const SiteReported& event) const {
    const auto& [site, finding] = event;
    write(site, out);
    write_enum(finding, out);
  }
  void operator()(const Woke&) const {}
  void operator()(const SnapshotChanged& event) const {
    const auto& [snapshot] = event;
    write(snapshot->digest, out);
  }
  void operator()(const SiteDrilled& event) const {
    const auto& [site, lasts] = event;
    write(site, out);
    write(lasts, out);
  }
  void operator()(const SiteMeasured& event) const {
    const auto& [site, sign] = event;
    const auto& [running, waiting, kv_use_ppm] = sign;
    write(site, out);
    write(running, out);
    write(waiting, out);
    write(kv_use_ppm.has_value(), out);
    if (kv_use_ppm) write(*kv_use_ppm, out);
  }
};

struct EventReader {
  WireReader& in;
  ReadEvent& result;

  void operator()(Arrived& event) const {
    auto& [request, key, alias, latency_class, labels, prompt_bytes, prompt_tokens_max,
           output_limit, choices, prompts, streamed] = event;
    read(request, in);
    read(key, in);
    read(alias, in);
    read(latency_class, in);
    labels = gate::LabelSet(in.varint());
    prompt_bytes = in.zigzag();
    read(prompt_tokens_max, in);
    read(output_limit, in);
    read(choices, in);
    read(prompts, in);
    read(streamed, in);
  }
  void operator()(FirstToken& event) const {
    read(event.request, in);
    event.attempt = in.byte();
  }
  void operator()(Progressed& event) const {
    read(event.request, in);
    event.attempt = in.byte();
    read(event.output, in);
    read(event.left, in);
  }
  void operator()(AttemptEnded& event) const {
    read(event.request, in);
    event.attempt = in.byte();
    read_enum(event.failure, kLastFailure, in);
    read(event.usage, in);
    read(event.billed, in);
    read(event.output, in);
    read_enum(event.resumable, answer::Resumable::by_appending, in);
    read(event.paused, in);
    read(event.retry_after, in);
  }
  void operator()(ClientGone& event) const {
    read(event.request, in);
    read(event.usage, in);
    read(event.billed, in);
    read(event.paused, in);
  }
  void operator()(SiteReported& event) const {
    read(event.site, in);
    read_enum(event.finding, fleet::Finding::answers, in);
  }
  void operator()(Woke&) const {}
  void operator()(SnapshotChanged&) const { read(result.snapshot, in); }
  void operator()(SiteDrilled& event) const {
    read(event.site, in);
    read(event.lasts, in);
  }
  void operator()(SiteMeasured& event) const {
    read(event.site, in);
    read(event.sign.running, in);
    read(event.sign.waiting, in);
    bool says_kv_use = false;
    read(says_kv_use, in);
    if (says_kv_use) read(event.sign.kv_use_ppm.emplace(), in);
  }
};

// The event of a kind, with nothing in it.
template <std::size_t... Kind>
Event empty_event(std::size_t kind, std::index_sequence<Kind...>) {
  Event event;
  ((kind == Kind ? static_cast<void>(event.emplace<Kind>()) : void()), ...);
  return event;
}

}  // namespace

void write_event(const Event& event, WireWriter& out) {
  out.varint(event.index());
  std::visit(EventWriter{out}, event);
}

ReadEvent read_event(WireReader& in) {
  constexpr std::size_t kKinds = std::variant_size_v<Event>;
  ReadEvent result;
  result.event = empty_event(in.up_to(kKinds - 1), std::make_index_sequence<kKinds>());
  std::visit(EventReader{in, result}, result.event);
  return result;
}

// The two clocks run at nearly the same pace, so the second difference is
// told by what it deviates from the first: mostly one byte.
void write_instant(Instant now, Instant before, WireWriter& out) {
  write_difference(now.monotonic, before.monotonic, out);
  const auto passed = static_cast<std::uint64_t>(now.monotonic.count()) -
                      static_cast<std::uint64_t>(before.monotonic.count());
  const auto expected = static_cast<std::uint64_t>(before.wall.count()) + passed;
  out.zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(now.wall.count()) - expected));
}

Instant read_instant(Instant before, WireReader& in) {
  Instant now;
  read_difference(now.monotonic, before.monotonic, in);
  const auto passed = static_cast<std::uint64_t>(now.monotonic.count()) -
                      static_cast<std::uint64_t>(before.monotonic.count());
  const auto expected = static_cast<std::uint64_t>(before.wall.count()) + passed;
  now.wall =
      WallTime(static_cast<std::int64_t>(expected + static_cast<std::uint64_t>(in.zigzag())));
  return now;
}

namespace {

// Empty when all is well.
struct EventCheck {
  const Snapshot& snapshot;
  const DispatchOptions& options;

  template <typename Id, typename Row>
  static bool has(const Table<Id, Row>& table, Id id) {
    return id.value() < table.size();
  }
  std::string_view slot(RequestRef request) const {
    return request.slot < options.requests_max ? "" : "a slot past requests_max";
  }

  // Requires: the key exists.
  bool sells(KeyId key, AliasId alias) const {
    const limits::Tenant& tenant = snapshot.tenants.tenants[snapshot.tenants.keys[key].tenant];
    return snapshot.catalog.price_books[tenant.price_book].find(alias) != nullptr;
  }

  std::string_view operator()(const Arrived& event) const {
    if (!has(snapshot.tenants.keys, event.key)) return "a key that does not exist";
    if (!has(snapshot.catalog.aliases, event.alias)) return "an alias that does not exist";
    if (!has(snapshot.catalog.classes, event.latency_class)) return "an unknown latency class";
    if (event.prompt_bytes < 0 || event.prompt_tokens_max < Tokens(0) ||
        event.output_limit < Tokens(0)) {
      return "a negative size";
    }
    if (event.choices < 1 || event.prompts < 1) return "a request without choices";
    if (std::int64_t{event.choices} * event.prompts > std::numeric_limits<std::int32_t>::max()) {
      return "more choices than there can be";
    }
    if (!sells(event.key, event.alias)) return "an alias that the tenant has no price for";
    return slot(event.request);
  }
  std::string_view operator()(const FirstToken& event) const { return slot(event.request); }
  std::string_view operator()(const Progressed& event) const { return slot(event.request); }
  std::string_view operator()(const AttemptEnded& event) const { return slot(event.request); }
  std::string_view operator()(const ClientGone& event) const { return slot(event.request); }
  std::string_view operator()(const SiteReported& event) const {
    return has(snapshot.fleet.sites, event.site) ? "" : "a site that does not exist";
  }
  std::string_view operator()(const Woke&) const { return ""; }
  std::string_view operator()(const SnapshotChanged& event) const {
    return event.snapshot != nullptr ? "" : "a change to no snapshot";
  }
  std::string_view operator()(const SiteDrilled& event) const {
    if (!has(snapshot.fleet.sites, event.site)) return "a site that does not exist";
    const bool can_last = event.lasts >= Duration() && event.lasts <= fleet::DrillBook::kLongest;
    return can_last ? "" : "a drill of such a length";
  }
  std::string_view operator()(const SiteMeasured& event) const {
    return has(snapshot.fleet.sites, event.site) ? "" : "a site that does not exist";
  }
};

}  // namespace

Status check_event(const Event& event, const Snapshot& snapshot, const DispatchOptions& options) {
  const std::string_view wrong = std::visit(EventCheck{snapshot, options}, event);
  if (wrong.empty()) return {};
  return fail({ErrorCode::broken, Fault::us, Retry::no,
               fmt::format("the event {} does not fit: {}", kind_name(event), wrong)});
}

std::string_view kind_name(const Event& event) {
  static constexpr std::string_view kNames[] = {
      "arrived",       "first_token", "progressed",       "attempt_ended", "client_gone",
      "site_reported", "woke",        "snapshot_changed", "site_drilled",  "site_measured"};
  static_assert(std::size(kNames) == std::variant_size_v<Event>);
  return kNames[event.index()];
}

}  // namespace hanse::dispatch
