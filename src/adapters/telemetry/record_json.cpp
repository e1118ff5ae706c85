// A record's view for programs. The names are documented in record_view.h.
#include <nlohmann/json.hpp>

#include "adapters/telemetry/record_view.h"

namespace hanse::telemetry {
namespace {

// Keeps members in the order in which a reader wants them.
using Json = nlohmann::ordered_json;

void put(Json& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}
void put(Json& object, const char* name, const std::optional<Duration>& duration) {
  if (duration) object[name] = duration->count();
}

Json tokens_json(const TokenCounts& tokens) {
  Json object = Json::object();
  for (const TokenKind kind : kAllTokenKinds) {
    object[std::string(to_string(kind))] = tokens[kind].count();
  }
  return object;
}

Json prediction_json(const PredictionView& prediction) {
  return {{"first_token_ns", prediction.first_token.count()},
          {"per_token_ns", prediction.per_token.count()},
          {"cost", to_decimal(prediction.cost)},
          {"prompt_tokens", prediction.prompt.count()},
          {"cached_tokens", prediction.cached.count()},
          {"output_tokens", prediction.output.count()}};
}

Json refusals_json(const std::vector<gate::Refusal>& refusals) {
  Json list = Json::array();
  for (const gate::Refusal& refusal : refusals) {
    list.push_back(
        {{"rule", refusal.rule}, {"requirement", refusal.requirement}, {"facts", refusal.facts}});
  }
  return list;
}

Json site_json(const SiteView& site) {
  Json object = Json::object();
  object["site"] = site.site;
  put(object, "place", site.place);
  object["supplier"] = site.supplier;
  put(object, "supplier_home", site.supplier_home);
  object["chip"] = site.chip;
  object["offers_alias"] = site.offers_alias;
  object["permitted"] = site.permitted;
  object["verdict"] = site.verdict;
  put(object, "reason", site.reason);
  if (!site.refusals.empty()) object["refusals"] = refusals_json(site.refusals);
  put(object, "variant", site.variant);
  if (site.predicted) {
    object["predicted"] = prediction_json(*site.predicted);
    object["within_objective"] = site.within_objective;
  }
  return object;
}

Json attempt_json(const AttemptView& attempt) {
  Json measured = Json::object();
  put(measured, "first_token_ns", attempt.first_token);
  put(measured, "per_token_ns", attempt.per_token);
  put(measured, "took_ns", attempt.took);
  Json excluded = Json::array();
  for (const ExclusionView& exclusion : attempt.excluded) {
    excluded.push_back({{"site", exclusion.site}, {"why", exclusion.why}});
  }
  return {{"number", attempt.number},
          {"site", attempt.site},
          {"supplier", attempt.supplier},
          {"variant", attempt.variant},
          {"opened_at", to_iso8601(attempt.opened_at)},
          {"outcome", attempt.outcome},
          {"take_up", to_string(attempt.take_up)},
          {"hedge", attempt.hedge},
          {"predicted", prediction_json(attempt.predicted)},
          {"measured", std::move(measured)},
          {"limits",
           {{"connect_ns", attempt.limits.connect.count()},
            {"headers_ns", attempt.limits.headers.count()},
            {"first_token_ns", attempt.limits.first_token.count()},
            {"whole_reply_ns", attempt.limits.whole_reply.count()},
            {"between_tokens_ns", attempt.limits.between_tokens.count()},
            {"rate_window_ns", attempt.limits.rate_window.count()},
            {"rate_tokens", attempt.limits.rate_tokens.count()},
            {"whole_ns", attempt.limits.whole.count()}}},
          {"candidates", attempt.candidates},
          {"excluded", std::move(excluded)},
          {"tokens", tokens_json(attempt.usage.tokens)},
          {"tokens_estimated", attempt.usage.estimated},
          {"tokens_contradicted", attempt.usage.contradicted},
          {"owed", to_decimal(attempt.owed)}};
}

Json bill_json(const Bill& bill) {
  return {{"tokens", tokens_json(bill.usage.tokens)},
          {"tokens_estimated", bill.usage.estimated},
          {"held", to_decimal(bill.held)},
          {"charged", to_decimal(bill.charged)},
          {"written_off", to_decimal(bill.written_off)},
          {"owed_to_suppliers", to_decimal(bill.owed_to_suppliers)},
          {"margin", to_decimal(bill.margin)}};
}

Json head_json(const RecordView& view) {
  Json object = Json::object();
  object["id"] = view.id;
  put(object, "trace_id", view.trace_id);
  put(object, "client_request_id", view.client_request_id);
  object["arrived_at"] = to_iso8601(view.arrived_at);
  object["snapshot"] = view.snapshot;
  object["currency"] = view.currency;
  object["outcome"] = to_string(view.end);
  object["took_ns"] = view.took.count();
  put(object, "first_token_ns", view.first_token);
  object["tenant"] = view.tenant;
  object["project"] = view.project;
  object["key"] = view.key;
  object["alias"] = view.alias;
  object["latency_class"] = view.latency_class;
  object["labels"] = view.labels;
  object["asked"] = {{"prompt_bytes", view.prompt_bytes},
                     {"prompt_tokens_max", view.prompt_tokens_max.count()},
                     {"output_tokens_limit", view.output_limit.count()},
                     {"choices", view.choices},
                     {"streamed", view.streamed}};
  object["objective"] = {{"first_token_ns", view.objective_first_token.count()},
                         {"per_token_ns", view.objective_per_token.count()},
                         {"time_limit_ns", view.time_limit.count()}};
  object["strategy"] = view.strategy;
  object["sites_permitted"] = view.sites_permitted;
  object["sites_refused"] = view.sites_refused;
  return object;
}

}  // namespace

std::string to_json(const RecordView& view, int indent) {
  Json object = head_json(view);
  object["sites"] = Json::array();
  for (const SiteView& site : view.sites) object["sites"].push_back(site_json(site));
  object["attempts"] = Json::array();
  for (const AttemptView& attempt : view.attempts) {
    object["attempts"].push_back(attempt_json(attempt));
  }
  if (view.hedging != dispatch::Hedging::none) object["hedge"] = to_string(view.hedging);
  object["bill"] = bill_json(view.bill);
  // Names come from files that were checked; one that was not must not throw.
  return object.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hanse::telemetry
