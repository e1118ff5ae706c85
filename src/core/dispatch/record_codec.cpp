// The structured bindings below name every member of what they write: a
// member that is added does not compile until it is written and read as well,
// and kRecordVersion raised.
#include "core/dispatch/record_codec.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/wire_words.h"
#include "core/dispatch/event_codec.h"

namespace hanse::dispatch {
namespace {

constexpr std::uint8_t kRecordVersion = 4;
constexpr auto kLastEnd = End::asked_to_wait;
constexpr auto kLastWhy = Exclusion::Why::same_domain;
using answer::kLastFailure;
constexpr auto kLastReason = placement::Reason::later_id;

using Exclusions = InlineVector<Exclusion, kExclusionsKept>;

void write(const Exclusions& excluded, WireWriter& out) {
  out.varint(excluded.size());
  for (const auto& [site, why] : excluded) {
    write(site, out);
    write_enum(why, out);
  }
}

void read(Exclusions& excluded, WireReader& in) {
  excluded.clear();
  for (auto left = in.up_to(kExclusionsKept); left > 0; --left) {
    auto& [site, why] = excluded.push({});
    read(site, in);
    read_enum(why, kLastWhy, in);
  }
}

// --- Predictions and decisions ---------------------------------------------

// Candidates of one decision differ little: each is told by its difference
// from the one before it, promised times from the corrected ones.
void write(const placement::Prediction& prediction, const placement::Prediction& before,
           WireWriter& out) {
  const auto& [first_token, per_token, cost, prompt, cached, output, sequences,
               promised_first_token, promised_per_token] = prediction;
  write_difference(first_token, before.first_token, out);
  write_difference(per_token, before.per_token, out);
  write_difference(cost, before.cost, out);
  write_difference(prompt, before.prompt, out);
  write_difference(cached, before.cached, out);
  write_difference(output, before.output, out);
  write(sequences, out);
  write_difference(promised_first_token, first_token, out);
  write_difference(promised_per_token, per_token, out);
}

void read(placement::Prediction& prediction, const placement::Prediction& before, WireReader& in) {
  auto& [first_token, per_token, cost, prompt, cached, output, sequences, promised_first_token,
         promised_per_token] = prediction;
  read_difference(first_token, before.first_token, in);
  read_difference(per_token, before.per_token, in);
  read_difference(cost, before.cost, in);
  read_difference(prompt, before.prompt, in);
  read_difference(cached, before.cached, in);
  read_difference(output, before.output, in);
  read(sequences, in);
  read_difference(promised_first_token, first_token, in);
  read_difference(promised_per_token, per_token, in);
}

void write(const placement::Decision& decision, WireWriter& out) {
  const auto& [chosen, best, candidates] = decision;
  write(chosen, out);
  write(candidates, out);
  out.varint(best.size());
  placement::Prediction before;
  for (const auto& [offer, prediction, within_objective, reason] : best) {
    write(offer, out);
    out.varint(static_cast<std::uint64_t>(reason) << 1U | std::uint64_t{within_objective});
    write(prediction, before, out);
    before = prediction;
  }
}

void read(placement::Decision& decision, WireReader& in) {
  auto& [chosen, best, candidates] = decision;
  read(chosen, in);
  read(candidates, in);
  best.clear();
  placement::Prediction before;
  for (auto left = in.up_to(placement::kCandidatesKept); left > 0; --left) {
    auto& [offer, prediction, within_objective, reason] = best.push({});
    read(offer, in);
    const std::uint64_t word = in.up_to(static_cast<std::uint64_t>(kLastReason) << 1U | 1U);
    within_objective = (word & 1U) != 0;
    reason = static_cast<placement::Reason>(word >> 1U);
    read(prediction, before, in);
    before = prediction;
  }
}

// --- Attempts --------------------------------------------------------------

void write(const AttemptRecord& attempt, Instant arrived_at, WireWriter& out) {
  const auto& [opened_at, site, decision, take_up, hedge, outrun, excluded, limits, first_token,
               ended, failure, usage, owed] = attempt;
  write_instant(opened_at, arrived_at, out);
  write(site, out);
  write(decision, out);
  write_enum(take_up, out);
  write(hedge, out);
  write(outrun, out);
  write(excluded, out);
  const auto& [connect, headers, first_token_limit, whole_reply, between_tokens, rate_window,
               rate_tokens, whole] = limits;
  write(connect, out);
  write(headers, out);
  write(first_token_limit, out);
  write(whole_reply, out);
  write(between_tokens, out);
  write(rate_window, out);
  write(rate_tokens, out);
  write(whole, out);
  write(first_token, out);
  write(ended, out);
  write_enum(failure, out);
  write(usage, out);
  write(owed, out);
}

void read(AttemptRecord& attempt, Instant arrived_at, WireReader& in) {
  auto& [opened_at, site, decision, take_up, hedge, outrun, excluded, limits, first_token, ended,
         failure, usage, owed] = attempt;
  opened_at = read_instant(arrived_at, in);
  read(site, in);
  read(decision, in);
  read_enum(take_up, answer::TakeUp::repeated, in);
  read(hedge, in);
  read(outrun, in);
  read(excluded, in);
  auto& [connect, headers, first_token_limit, whole_reply, between_tokens, rate_window, rate_tokens,
         whole] = limits;
  read(connect, in);
  read(headers, in);
  read(first_token_limit, in);
  read(whole_reply, in);
  read(between_tokens, in);
  read(rate_window, in);
  read(rate_tokens, in);
  read(whole, in);
  read(first_token, in);
  read(ended, in);
  read_enum(failure, kLastFailure, in);
  read(usage, in);
  read(owed, in);
}

// --- Head, body, extras ----------------------------------------------------

void write_head(const RecordHead& head, WireWriter& out) {
  out.byte(kRecordVersion);
  write(head.number.epoch, out);
  out.zigzag(head.number.sequence);
  write(head.snapshot, out);
  write(head.arrived_at, out);
}

RecordHead read_head(WireReader& in) {
  if (in.byte() != kRecordVersion) in.fail("not a record of version 4");
  RecordHead head;
  read(head.number.epoch, in);
  head.number.sequence = in.zigzag();
  read(head.snapshot, in);
  read(head.arrived_at, in);
  return head;
}

void write_extras(const RecordExtras& extras, WireWriter& out) {
  const auto& [trace_id, client_request_id] = extras;
  const bool traced = trace_id != RecordExtras().trace_id;
  out.byte(traced ? 1 : 0);
  if (traced) out.raw({reinterpret_cast<const char*>(trace_id.data()), trace_id.size()});
  out.text(std::string_view(client_request_id).substr(0, RecordExtras::kClientRequestIdBytesMax));
}

void read_extras(RecordExtras& extras, WireReader& in) {
  auto& [trace_id, client_request_id] = extras;
  if (in.up_to(1) == 1) {
    const std::string_view bytes = in.raw(trace_id.size());
    std::copy(bytes.begin(), bytes.end(), trace_id.begin());
    if (trace_id == RecordExtras().trace_id) in.fail("a trace that is not there");
  }
  client_request_id = in.text(RecordExtras::kClientRequestIdBytesMax);
}

}  // namespace

void write_record(const Record& record, const RecordExtras& extras, std::string& out) {
  const auto& [number, snapshot, arrived_at, key, tenant, alias, latency_class, labels,
               prompt_bytes, prompt_tokens_max, output_limit, choices, streamed, sites_permitted,
               sites_refused, excluded, attempts, end, took, usage, held, charged, written_off] =
      record;
  WireWriter writer(out);
  write_head({.number = number, .snapshot = snapshot, .arrived_at = arrived_at.wall}, writer);
  write(arrived_at.monotonic, writer);
  write(key, writer);
  write(tenant, writer);
  write(alias, writer);
  write(latency_class, writer);
  writer.varint(labels.bits());
  writer.zigzag(prompt_bytes);
  write(prompt_tokens_max, writer);
  write(output_limit, writer);
  write(choices, writer);
  write(streamed, writer);
  write(sites_permitted, writer);
  write(sites_refused, writer);
  write(excluded, writer);
  writer.varint(attempts.size());
  for (const AttemptRecord& attempt : attempts) write(attempt, arrived_at, writer);
  write_enum(end, writer);
  write(took, writer);
  write(usage, writer);
  write(held, writer);
  write(charged, writer);
  write(written_off, writer);
  write_extras(extras, writer);
}

Result<StoredRecord> read_record(std::string_view bytes) {
  WireReader in(bytes);
  StoredRecord stored;
  const RecordHead head = read_head(in);
  auto& [number, snapshot, arrived_at, key, tenant, alias, latency_class, labels, prompt_bytes,
         prompt_tokens_max, output_limit, choices, streamed, sites_permitted, sites_refused,
         excluded, attempts, end, took, usage, held, charged, written_off] = stored.record;
  number = head.number;
  snapshot = head.snapshot;
  arrived_at.wall = head.arrived_at;
  read(arrived_at.monotonic, in);
  read(key, in);
  read(tenant, in);
  read(alias, in);
  read(latency_class, in);
  labels = gate::LabelSet(in.varint());
  prompt_bytes = in.zigzag();
  read(prompt_tokens_max, in);
  read(output_limit, in);
  read(choices, in);
  read(streamed, in);
  read(sites_permitted, in);
  read(sites_refused, in);
  read(excluded, in);
  for (auto left = in.up_to(kAttemptsMax); left > 0; --left) {
    read(attempts.push({}), arrived_at, in);
  }
  read_enum(end, kLastEnd, in);
  read(took, in);
  read(usage, in);
  read(held, in);
  read(charged, in);
  read(written_off, in);
  read_extras(stored.extras, in);
  if (const Status status = in.finish(); !status) return fail(status.error());
  return stored;
}

Result<RecordHead> read_record_head(std::string_view bytes) {
  WireReader in(bytes);
  const RecordHead head = read_head(in);
  if (const Status status = in.status(); !status) return fail(status.error());
  return head;
}

namespace {

// Collects the first id that names nothing.
class IdCheck {
 public:
  explicit IdCheck(const Snapshot& snapshot) : snapshot_(snapshot) {}

  template <typename Id, typename Row>
  bool row(const Table<Id, Row>& table, Id id, std::string_view what) {
    if (id.value() < table.size()) return true;
    fail(fmt::format("it names {} {} of {}", what, id.value(), table.size()));
    return false;
  }
  void require(bool holds, std::string_view what) {
    if (!holds) fail(std::string(what));
  }
  void exclusions(const Exclusions& excluded) {
    for (const Exclusion& exclusion : excluded) {
      row(snapshot_.fleet.sites, exclusion.site, "excluded site");
    }
  }
  void attempt(const AttemptRecord& attempt) {
    const fleet::Fleet& fleet = snapshot_.fleet;
    row(fleet.sites, attempt.site, "site");
    if (row(fleet.offers, attempt.decision.chosen, "offer")) {
      require(fleet.offers[attempt.decision.chosen].site == attempt.site,
              "an attempt's offer is not of its site");
    }
    require(
        !attempt.decision.best.empty() && attempt.decision.best[0].offer == attempt.decision.chosen,
        "a decision does not begin with what it chose");
    for (const placement::Candidate& candidate : attempt.decision.best) {
      row(fleet.offers, candidate.offer, "candidate");
    }
    exclusions(attempt.excluded);
  }

  [[nodiscard]] Status status() const {
    if (failed_.empty()) return {};
    return hanse::fail({ErrorCode::broken, Fault::us, Retry::no,
                        fmt::format("the record does not fit its snapshot: {}", failed_)});
  }

 private:
  void fail(std::string what) {
    if (failed_.empty()) failed_ = std::move(what);
  }

  const Snapshot& snapshot_;
  std::string failed_;
};

}  // namespace

Status check_record(const Record& record, const Snapshot& snapshot) {
  IdCheck check(snapshot);
  check.require(record.snapshot == snapshot.digest, "it cites another one");
  check.row(snapshot.tenants.tenants, record.tenant, "tenant");
  check.row(snapshot.catalog.aliases, record.alias, "alias");
  check.row(snapshot.catalog.classes, record.latency_class, "latency class");
  if (check.row(snapshot.tenants.keys, record.key, "key")) {
    check.require(snapshot.tenants.keys[record.key].tenant == record.tenant,
                  "its key is not its tenant's");
  }
  check.require((record.labels - snapshot.labels.all()).empty(),
                "it carries a label that is not in the vocabulary");
  check.exclusions(record.excluded);
  for (const AttemptRecord& attempt : record.attempts) check.attempt(attempt);
  return check.status();
}

}  // namespace hanse::dispatch
