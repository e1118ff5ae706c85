// src/adapters/telemetry/record_view.h
// A decision record with names in place of ids, for people and for programs.
//
// make_view() resolves a record against the snapshot it cites; the view owns
// its strings and outlives both. It says who asked, under which labels, what
// each site could have offered and why it was refused or passed over, what was
// foretold and measured, and who owes what. Never content: there is none in a
// record.
//
// JSON (to_json). Amounts are decimal strings of `currency`; names end in
// their unit (_ns nanoseconds, _bytes, _tokens, _percent); times are ISO 8601
// in UTC; what is not known is left out, not null.
//
//   id, trace_id, client_request_id, arrived_at, snapshot, currency
//   outcome, took_ns, first_token_ns (from arrival to the first token)
//   tenant, project, key, alias, latency_class, labels
//   asked: {prompt_bytes, prompt_tokens_max, output_tokens_limit, choices, streamed}
//   objective: {first_token_ns, per_token_ns, time_limit_ns}
//   strategy, sites_permitted, sites_refused (among those that offer the alias)
//   sites: [{site, place, supplier, supplier_home, chip, offers_alias, permitted, verdict,
//            refusals: [{rule, requirement, facts: [...]}],
//            variant, predicted: {first_token_ns, per_token_ns, cost, prompt_tokens,
//            cached_tokens, output_tokens}, within_objective, reason}]
//   rescue (continued, repeated; only of an answer that broke off and was gone on with)
//   hedge (won, lost, dropped; only of a request that had one)
//   attempts: [{number, site, supplier, variant, opened_at, outcome, take_up, hedge,
//            predicted: {...}, measured: {first_token_ns, per_token_ns, took_ns},
//            limits: {connect_ns, headers_ns, first_token_ns, whole_reply_ns,
//            between_tokens_ns, rate_window_ns, rate_tokens, whole_ns},
//            candidates, excluded: [{site, why}],
//            tokens: {...}, tokens_estimated, tokens_contradicted, owed}]
//   bill: {tokens: {prompt, cached_read, cache_write, output, reasoning},
//          tokens_estimated, held, charged, written_off, owed_to_suppliers, margin}
//
// A site's `verdict` is one of: answered, failed, cancelled (given up),
// open (not ended), passed_over, tried, full, circuit_open, suspected (its
// supplier or country), starting (just back), model_missing, drilled, not_asked (no site was),
// refused (by the gate), no_offer. Its `reason` says why, in words.
// Sites are in that order, then by predicted cost, then by name.
// An attempt's `outcome` is answered, cancelled, open, or how it failed; its
// `take_up` says whether it began anew, continued an answer that had broken off,
// or repeated it for its remainder, and `hedge` that it was opened beside another,
// which was late.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/dispatch/record.h"
#include "core/dispatch/record_codec.h"
#include "core/dispatch/snapshot.h"
#include "core/gate/gate.h"
#include "core/ledger/account.h"
#include "core/ledger/request_id.h"

namespace hanse::telemetry {

struct PredictionView {
  Duration first_token;
  Duration per_token;
  Money cost;
  Tokens prompt;
  Tokens cached;
  Tokens output;
};

struct SiteView {
  std::string site;
  std::string place;  // a country's code; empty: not known
  std::string supplier;
  std::string supplier_title;  // for people
  std::string supplier_home;
  std::string chip;
  bool offers_alias = false;
  bool permitted = false;
  std::string verdict;  // see the header's list
  std::vector<gate::Refusal> refusals;
  // As the first decision saw it; only the best few are recorded.
  std::string variant;
  std::optional<PredictionView> predicted;
  bool within_objective = false;
  std::string reason;  // "costs more than hamburg, which meets the objective too"
};

struct ExclusionView {
  std::string site;
  std::string why;
};

struct AttemptView {
  std::size_t number = 1;
  std::string site;
  std::string supplier;
  std::string supplier_title;  // for people
  std::string variant;
  WallTime opened_at;
  std::string outcome;  // "answered", "cancelled", "open", or how it failed
  answer::TakeUp take_up = answer::TakeUp::anew;
  bool hedge = false;  // beside another attempt, which was late
  PredictionView predicted;
  std::optional<Duration> first_token;
  std::optional<Duration> per_token;
  std::optional<Duration> took;
  dispatch::AttemptLimits limits;
  std::uint32_t candidates = 0;
  std::vector<ExclusionView> excluded;
  Usage usage;
  Money owed;
};

struct Bill {
  Usage usage;
  Money held;
  Money charged;
  Money written_off;
  Money owed_to_suppliers;
  Money margin;  // charged less owed
};

struct RecordView {
  std::string id;
  std::string trace_id;           // 32 hexadecimal digits; empty: none
  std::string client_request_id;  // what looks like a key is replaced
  WallTime arrived_at;
  std::string snapshot;  // digest in hexadecimal
  std::string currency;

  dispatch::End end = dispatch::End::open;
  Duration took;
  std::optional<Duration> first_token;  // from arrival

  std::string tenant;
  std::string tenant_title;
  std::string project;
  std::string key;
  std::string alias;
  std::string latency_class;
  std::string labels;
  std::int64_t prompt_bytes = 0;
  Tokens prompt_tokens_max;
  Tokens output_limit;
  std::int32_t choices = 1;
  bool streamed = false;
  Duration objective_first_token;
  Duration objective_per_token;
  Duration time_limit;

  std::uint32_t sites_permitted = 0;
  std::uint32_t sites_refused = 0;
  std::string strategy;         // of placement
  std::vector<SiteView> sites;  // in the order of the header
  std::vector<AttemptView> attempts;
  std::string told_by;  // the site whose answer or failure the client was given; empty: none
  dispatch::Hedging hedging = dispatch::Hedging::none;
  Bill bill;
};

// `verdicts` are those of the gate for the record's labels at its arrival,
// over the same snapshot, in order of site.
// Fails: broken when the record does not fit the snapshot (check_record).
Result<RecordView> make_view(const dispatch::Record& record, const dispatch::RecordExtras& extras,
                             const dispatch::Snapshot& snapshot,
                             const std::vector<gate::Verdict>& verdicts,
                             const ledger::RequestId& id, ledger::Currency currency);

// `indent` blanks a level; negative: one line.
std::string to_json(const RecordView& view, int indent = -1);

struct PrintOptions {
  bool colour = false;         // ANSI
  std::size_t columns = 100;   // at least 80
  std::size_t sites_max = 30;  // what is left out is counted
};

// For a terminal; ends with a line feed.
std::string print(const RecordView& view, const PrintOptions& options = {});

// One line per record, for lists: "04:36:01  req_...  acme  smollm2  answered  hamburg  1.4 s".
std::string print_line(const RecordView& view);

}  // namespace hanse::telemetry
