// Resolves a record into a view. How the view is shown is in record_json.cpp
// and record_text.cpp.
#include "adapters/telemetry/record_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "adapters/telemetry/attempt_times.h"
#include "adapters/telemetry/redaction.h"

namespace hanse::telemetry {
namespace {

using dispatch::AttemptRecord;
using dispatch::End;
using dispatch::Exclusion;
using dispatch::Record;
using dispatch::Snapshot;

std::string code_text(const std::optional<fleet::Code>& code) {
  return code ? std::string(code->text()) : std::string();
}

PredictionView view_of(const placement::Prediction& prediction) {
  return {.first_token = prediction.first_token,
          .per_token = prediction.per_token,
          .cost = prediction.cost,
          .prompt = prediction.prompt,
          .cached = prediction.cached,
          .output = prediction.output};
}

// The word that stands after the project's in a key's full name, and so on.
std::string last_word(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// How an attempt ended. One that is given up ends without a failure.
std::string outcome_of(const Record& record, std::size_t attempt) {
  const AttemptRecord& row = record.attempts[attempt];
  if (!row.ended) return "open";
  if (row.failure != answer::Failure::none) return std::string(to_string(row.failure));
  return was_cancelled(record, row) ? "cancelled" : "answered";
}

// --- One site --------------------------------------------------------------

struct SiteFinding {
  const Record& record;
  const Snapshot& snapshot;
  SiteId site;

  [[nodiscard]] const std::string& name_of(SiteId id) const {
    return snapshot.fleet.sites[id].name;
  }

  [[nodiscard]] bool offers_alias() const {
    const catalog::Alias& alias = snapshot.catalog.aliases[record.alias];
    return std::any_of(
        snapshot.fleet.offers.begin(), snapshot.fleet.offers.end(), [&](const auto& offer) {
          return offer.site == site && std::find(alias.variants.begin(), alias.variants.end(),
                                                 offer.variant) != alias.variants.end();
        });
  }

  // As the first decision that recorded it saw the site; null when none did.
  [[nodiscard]] std::tuple<const AttemptRecord*, const placement::Candidate*> candidate() const {
    for (const AttemptRecord& attempt : record.attempts) {
      for (const placement::Candidate& candidate : attempt.decision.best) {
        if (snapshot.fleet.offers[candidate.offer].site == site) return {&attempt, &candidate};
      }
    }
    return {nullptr, nullptr};
  }

  // Why the first decision left it out, if it did.
  [[nodiscard]] const Exclusion* exclusion() const {
    const auto& excluded = record.attempts.empty() ? record.excluded : record.attempts[0].excluded;
    for (const Exclusion& exclusion : excluded) {
      if (exclusion.site == site) return &exclusion;
    }
    return nullptr;
  }

  [[nodiscard]] std::optional<std::size_t> last_attempt() const {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < record.attempts.size(); ++i) {
      if (record.attempts[i].site == site) found = i;
    }
    return found;
  }
};

std::string why_not(placement::Reason reason, const std::string& chosen) {
  switch (reason) {
    case placement::Reason::chosen: return "chosen";
    case placement::Reason::dearer:
      return fmt::format("costs more than {}, which meets the objective too", chosen);
    case placement::Reason::misses_objective:
      return fmt::format("would miss the objective, {} meets it", chosen);
    case placement::Reason::slower:
      return fmt::format("no site meets the objective, {} comes nearer", chosen);
    case placement::Reason::busier: return fmt::format("has more work before it than {}", chosen);
    case placement::Reason::not_its_turn: return fmt::format("it was the turn of {}", chosen);
    case placement::Reason::later_id: return fmt::format("as good as {}, ties go by id", chosen);
  }
  return "unknown";
}

std::string why_excluded(Exclusion::Why why) {
  switch (why) {
    case Exclusion::Why::circuit_open: return "its circuit was open: it had been failing";
    case Exclusion::Why::full: return "it had as many requests as it may have";
    case Exclusion::Why::tried: return "it had been tried for this request";
    case Exclusion::Why::withdrawn: return "a new configuration had withdrawn it";
    case Exclusion::Why::asked_to_wait: return "it had asked to be left alone for a while";
    case Exclusion::Why::cannot_resume: return "its engine could not go on with the answer";
    case Exclusion::Why::suspected: return "others of its supplier or country had failed with it";
    case Exclusion::Why::starting: return "it had just come back, and began with few requests";
    case Exclusion::Why::model_missing: return "it had said that it has no such model";
    case Exclusion::Why::drilled: return "an operator left it out: a drill";
    case Exclusion::Why::same_domain: return "it fails together with the site that was late";
  }
  return "unknown";
}

std::string how_it_failed(answer::Failure failure) {
  using answer::Failure;
  switch (failure) {
    case Failure::none: return "did not fail";
    case Failure::unreachable: return "could not be reached";
    case Failure::tls: return "TLS failed";
    case Failure::silent: return "was silent for too long";
    case Failure::stalled: return "began, then stalled";
    case Failure::reset: return "broke off before the end";
    case Failure::bad_answer: return "answered something that is no answer";
    case Failure::rate_limited: return "said that we ask too often";
    case Failure::overloaded: return "said that it is overloaded";
    case Failure::server_error: return "failed by itself";
    case Failure::credentials: return "did not accept our credentials";
    case Failure::model_missing: return "does not have the model";
    case Failure::context_exceeded: return "found the prompt too long";
    case Failure::content_filter: return "refused by its own policy";
    case Failure::client_request: return "found the request wrong";
    case Failure::error_event: return "reported an error in mid-answer";
    case Failure::oversize: return "answered more than our bounds allow";
    case Failure::diverged: return "began another answer than the client was reading";
  }
  return "unknown";
}

// Verdict and reason of a site that was asked.
void tell_attempt(const SiteFinding& finding, std::size_t attempt, SiteView& view) {
  const AttemptRecord& row = finding.record.attempts[attempt];
  const std::string outcome = outcome_of(finding.record, attempt);
  if (outcome == "answered") {
    view.verdict = outcome;
    view.reason =
        fmt::format("chosen by {} out of {}", finding.snapshot.strategy, row.decision.candidates);
    if (attempt == 0) return;
    const std::string& before = finding.name_of(finding.record.attempts[attempt - 1].site);
    view.reason += row.hedge ? fmt::format(", beside {}, which was late", before)
                             : fmt::format(", after {} failed", before);
  } else if (outcome == "cancelled" || outcome == "open") {
    view.verdict = outcome;
    view.reason = outcome == "open" ? "not ended yet"
                  : row.outrun      ? "another site answered first"
                                    : "the request ended before it had answered";
    if (finding.record.end == End::client_gone && !row.outrun) view.reason = "the client left";
  } else {
    view.verdict = "failed";
    view.reason = fmt::format("{} ({})", how_it_failed(row.failure), outcome);
  }
}

// Verdict and reason of a permitted site that was not asked.
void tell_passed_over(const SiteFinding& finding, SiteView& view) {
  if (const Exclusion* exclusion = finding.exclusion()) {
    view.verdict = to_string(exclusion->why);
    view.reason = why_excluded(exclusion->why);
    return;
  }
  const auto [attempt, candidate] = finding.candidate();
  if (candidate != nullptr) {
    view.verdict = "passed_over";
    view.reason = why_not(candidate->reason, finding.name_of(attempt->site));
  } else if (finding.record.attempts.empty()) {
    view.verdict = "not_asked";
    view.reason = fmt::format("no site was asked: {}", to_string(finding.record.end));
  } else {
    view.verdict = "passed_over";
    view.reason =
        fmt::format("not among the best {} of {}", finding.record.attempts[0].decision.best.size(),
                    finding.record.attempts[0].decision.candidates);
  }
}

SiteView site_view(const SiteFinding& finding, const gate::Verdict& verdict) {
  const Snapshot& snapshot = finding.snapshot;
  const fleet::Site& site = snapshot.fleet.sites[finding.site];
  const fleet::Supplier& supplier = snapshot.fleet.suppliers[site.supplier];
  SiteView view;
  view.site = site.name;
  view.place = code_text(site.place);
  view.supplier = supplier.name;
  view.supplier_title = fleet::title_of(snapshot.fleet, site.supplier);
  view.supplier_home = code_text(supplier.home);
  view.chip = snapshot.catalog.chips[site.chip].name;
  view.offers_alias = finding.offers_alias();
  view.permitted = verdict.permitted;
  view.refusals = verdict.refusals;

  if (const auto [attempt, candidate] = finding.candidate(); candidate != nullptr) {
    const VariantId variant = snapshot.fleet.offers[candidate->offer].variant;
    view.variant = snapshot.catalog.variants[variant].name;
    view.predicted = view_of(candidate->prediction);
    view.within_objective = candidate->within_objective;
  }

  const std::string& alias = snapshot.catalog.aliases[finding.record.alias].name;
  if (const auto attempt = finding.last_attempt()) {
    tell_attempt(finding, *attempt, view);
  } else if (!view.offers_alias) {
    view.verdict = "no_offer";
    view.reason = fmt::format("does not offer {}", alias);
  } else if (!view.permitted) {
    view.verdict = "refused";
    for (const gate::Refusal& refusal : view.refusals) {
      view.reason += view.reason.empty() ? "" : ", ";
      view.reason += refusal.rule;
    }
  } else {
    tell_passed_over(finding, view);
  }
  return view;
}

// The order in which people look: who answered, who tried, who could have.
int rank_of(const SiteView& view) {
  static constexpr std::string_view kOrder[] = {
      "answered",      "cancelled", "open",         "failed",    "passed_over",
      "tried",         "full",      "circuit_open", "suspected", "starting",
      "model_missing", "drilled",   "not_asked",    "refused",   "no_offer"};
  const auto* found = std::find(std::begin(kOrder), std::end(kOrder), view.verdict);
  return static_cast<int>(found - std::begin(kOrder));
}

std::vector<SiteView> site_views(const Record& record, const Snapshot& snapshot,
                                 const std::vector<gate::Verdict>& verdicts) {
  std::vector<SiteView> views;
  for (const gate::Verdict& verdict : verdicts) {
    // Verdicts are the caller's; one about a site that is not there is dropped.
    if (verdict.site.value() >= snapshot.fleet.sites.size()) continue;
    views.push_back(site_view({record, snapshot, verdict.site}, verdict));
  }
  std::sort(views.begin(), views.end(), [](const SiteView& a, const SiteView& b) {
    const auto price = [](const SiteView& view) {
      return view.predicted ? view.predicted->cost : Money(INT64_MAX);
    };
    return std::tuple(rank_of(a), price(a), std::string_view(a.site)) <
           std::tuple(rank_of(b), price(b), std::string_view(b.site));
  });
  return views;
}

// --- Attempts and the bill -------------------------------------------------

AttemptView attempt_view(const Record& record, const Snapshot& snapshot, std::size_t index) {
  const AttemptRecord& attempt = record.attempts[index];
  const fleet::Site& site = snapshot.fleet.sites[attempt.site];
  const VariantId variant = snapshot.fleet.offers[attempt.decision.chosen].variant;
  AttemptView view;
  view.number = index + 1;
  view.site = site.name;
  view.supplier = snapshot.fleet.suppliers[site.supplier].name;
  view.supplier_title = fleet::title_of(snapshot.fleet, site.supplier);
  view.variant = snapshot.catalog.variants[variant].name;
  view.opened_at = attempt.opened_at.wall;
  view.outcome = outcome_of(record, index);
  view.take_up = attempt.take_up;
  view.hedge = attempt.hedge;
  view.predicted = view_of(attempt.decision.best[0].prediction);
  view.first_token = attempt.first_token;
  view.per_token = time_per_token(attempt, record.choices);
  view.took = attempt.ended;
  view.limits = attempt.limits;
  view.candidates = attempt.decision.candidates;
  for (const Exclusion& exclusion : attempt.excluded) {
    view.excluded.push_back({.site = snapshot.fleet.sites[exclusion.site].name,
                             .why = std::string(to_string(exclusion.why))});
  }
  view.usage = attempt.usage;
  view.owed = attempt.owed;
  return view;
}

Bill bill_of(const Record& record) {
  Bill bill;
  bill.usage = record.usage;
  bill.held = record.held;
  bill.charged = record.charged;
  bill.written_off = record.written_off;
  for (const AttemptRecord& attempt : record.attempts) bill.owed_to_suppliers += attempt.owed;
  bill.margin = bill.charged - bill.owed_to_suppliers;
  return bill;
}

void tell_who(const Record& record, const Snapshot& snapshot, RecordView& view) {
  const limits::Tenant& tenant = snapshot.tenants.tenants[record.tenant];
  const limits::Key& key = snapshot.tenants.keys[record.key];
  view.tenant = tenant.name;
  view.tenant_title = tenant.title;
  view.project = last_word(snapshot.tenants.projects[key.project].name);
  view.key = last_word(key.name);
}

void tell_what(const Record& record, const Snapshot& snapshot, RecordView& view) {
  const catalog::LatencyClass& latency = snapshot.catalog.classes[record.latency_class];
  view.alias = snapshot.catalog.aliases[record.alias].name;
  view.latency_class = latency.name;
  view.labels = snapshot.labels.print(record.labels);
  view.prompt_bytes = record.prompt_bytes;
  view.prompt_tokens_max = record.prompt_tokens_max;
  view.output_limit = record.output_limit;
  view.choices = record.choices;
  view.streamed = record.streamed;
  view.objective_first_token = latency.first_token;
  view.objective_per_token = latency.per_token;
  view.time_limit = latency.time_limit;
}

}  // namespace

Result<RecordView> make_view(const dispatch::Record& record, const dispatch::RecordExtras& extras,
                             const dispatch::Snapshot& snapshot,
                             const std::vector<gate::Verdict>& verdicts,
                             const ledger::RequestId& id, ledger::Currency currency) {
  if (const Status fits = dispatch::check_record(record, snapshot); !fits) {
    return fail(fits.error());
  }
  RecordView view;
  view.id = ledger::to_string(id);
  if (extras.trace_id != dispatch::RecordExtras().trace_id) {
    view.trace_id = to_hex(std::span(extras.trace_id));
  }
  view.client_request_id = redacted(extras.client_request_id, extras.client_request_id.size());
  view.arrived_at = record.arrived_at.wall;
  view.snapshot = to_hex(record.snapshot);
  view.currency = currency.text();
  view.end = record.end;
  view.took = record.took;
  view.first_token = dispatch::first_token_of(record);
  tell_who(record, snapshot, view);
  tell_what(record, snapshot, view);
  view.strategy = snapshot.strategy;
  view.sites_permitted = record.sites_permitted;
  view.sites_refused = record.sites_refused;
  view.sites = site_views(record, snapshot, verdicts);
  for (std::size_t i = 0; i < record.attempts.size(); ++i) {
    view.attempts.push_back(attempt_view(record, snapshot, i));
  }
  if (!record.attempts.empty()) {
    view.told_by = snapshot.fleet.sites[telling_attempt(record).site].name;
  }
  view.hedging = hedging_of(record);
  view.bill = bill_of(record);
  return view;
}

}  // namespace hanse::telemetry
