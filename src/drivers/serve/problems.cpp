#include "drivers/serve/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapters/http/framing_rules.h"
#include "base/check.h"
#include "base/nearest_word.h"
#include "core/limits/latency_class.h"

namespace hanse::serve {
namespace {

// A chat template wraps each message in a few tokens of its own, and adds a
// few around the whole. Bounds, not means.
constexpr std::int64_t kTemplateTokensPerMessage = 16;
constexpr std::int64_t kTemplateTokens = 64;
// The dearest image of the common schemes (a tiled high-detail one).
constexpr std::int64_t kTokensPerImage = 4096;

Tokens prompt_bound(const answer::Question& question, Tokens context) {
  // No tokenizer in use makes more than one token of a byte. The engine reads
  // each prompt once per choice at most, and no further than its context.
  const std::int64_t tokens = question.prompt_bytes +
                              kTemplateTokensPerMessage * question.messages +
                              kTokensPerImage * question.images + kTemplateTokens;
  return std::min(Tokens(tokens), context * question.prompts);
}

const limits::Tenant& tenant_of(const dispatch::Snapshot& snapshot, KeyId key) {
  return snapshot.tenants.tenants[snapshot.tenants.keys[key].tenant];
}

// "project acme/web"
std::string named(limits::Level level, const dispatch::Snapshot& snapshot, KeyId key) {
  const limits::Tenants& tenants = snapshot.tenants;
  const std::string* name = &tenants.keys[key].name;
  if (level == limits::Level::tenant) name = &tenant_of(snapshot, key).name;
  if (level == limits::Level::project) name = &tenants.projects[tenants.keys[key].project].name;
  return fmt::format("{} {}", limits::to_string(level), *name);
}

api::Problem over_rate(const limits::RateRefusal& refusal, const dispatch::Snapshot& snapshot,
                       KeyId key) {
  const std::string limit = fmt::format("{}: {} {}", named(refusal.level, snapshot, key),
                                        refusal.allowed, limits::to_string(refusal.limit));
  return refusal.retry_after ? api::rate_limited(limit, *refusal.retry_after)
                             : api::exceeds_rate_limit(limit);
}

}  // namespace

bool sells(const dispatch::Snapshot& snapshot, KeyId key, AliasId alias) {
  const PriceBookId book = tenant_of(snapshot, key).price_book;
  return snapshot.catalog.price_books[book].find(alias) != nullptr;
}

api::Problem unknown_model(std::string_view asked, const dispatch::Snapshot& snapshot, KeyId key) {
  std::vector<std::string_view> names;
  snapshot.catalog.aliases.for_each([&](AliasId alias, const catalog::Alias& row) {
    if (sells(snapshot, key, alias)) names.push_back(row.name);
  });
  return api::model_not_found(asked, nearest_word(asked, names));
}

std::expected<dispatch::Arrived, api::Problem> describe(
    const answer::Question& question, const dispatch::Snapshot& snapshot, KeyId key,
    std::optional<std::string_view> class_name) {
  const limits::Tenant& tenant = tenant_of(snapshot, key);
  const auto alias = snapshot.catalog.aliases.find(question.model);
  if (!alias || !sells(snapshot, key, *alias)) {
    return std::unexpected(unknown_model(question.model, snapshot, key));
  }
  const auto latency_class =
      limits::resolve_class(snapshot.catalog, snapshot.tenants.keys[key], *alias, class_name);
  if (!latency_class) {
    return std::unexpected(api::bad_request(latency_class.error().message, "hanse-class"));
  }
  const Tokens context =
      snapshot.catalog.models[snapshot.catalog.aliases[*alias].model].context_tokens;
  dispatch::Arrived arrived;
  arrived.key = key;
  arrived.alias = *alias;
  arrived.latency_class = *latency_class;
  arrived.prompt_bytes = question.prompt_bytes;
  arrived.prompt_tokens_max = prompt_bound(question, context);
  arrived.output_limit =
      std::min(question.output_limit.value_or(tenant.output_tokens_default), context);
  // What is held for and billed is what the engine makes, not what it shows.
  arrived.choices = question.generations;
  arrived.prompts = question.prompts;
  arrived.streamed = question.stream;
  return arrived;
}

answer::Failure failure_of(const http::CallFailure& failure) {
  switch (failure.trouble) {
    case http::CallTrouble::name_not_resolved:
    case http::CallTrouble::refused:
    case http::CallTrouble::unreachable: return answer::Failure::unreachable;
    case http::CallTrouble::tls: return answer::Failure::tls;
    case http::CallTrouble::reset:
    case http::CallTrouble::closed_early: return answer::Failure::reset;
    case http::CallTrouble::bad_framing:
    case http::CallTrouble::head_too_large: return answer::Failure::bad_answer;
    case http::CallTrouble::pool_full: return answer::Failure::overloaded;
    case http::CallTrouble::invalid_request: return answer::Failure::credentials;
    case http::CallTrouble::timed_out:
      switch (failure.phase) {
        case http::CallPhase::waiting: return answer::Failure::overloaded;
        case http::CallPhase::resolving:
        case http::CallPhase::connecting: return answer::Failure::unreachable;
        case http::CallPhase::handshake: return answer::Failure::tls;
        case http::CallPhase::sending:
        case http::CallPhase::head: return answer::Failure::silent;
        case http::CallPhase::body: return answer::Failure::stalled;
      }
  }
  return answer::Failure::reset;
}

api::Problem problem_of(const dispatch::Record& record, const dispatch::Refuse& action,
                        const answer::FailureReport* report, const dispatch::Snapshot& snapshot) {
  api::Problem told;
  told.retry_after = action.retry_after;
  const auto say = [&](api::ProblemKind kind, std::string message) {
    told.kind = kind;
    told.message = std::move(message);
    return told;
  };
  switch (record.end) {
    case dispatch::End::over_budget:
      HANSE_CHECK(action.budget.has_value());
      return api::insufficient_quota(named(*action.budget, snapshot, record.key));
    case dispatch::End::over_rate:
      HANSE_CHECK(action.rate.has_value());
      return over_rate(*action.rate, snapshot, record.key);
    case dispatch::End::at_capacity:
      if (record.queued > Duration()) {
        return say(api::ProblemKind::sites_full,
                   fmt::format("no permitted site had room within {}; try again later",
                               to_string(record.queued)));
      }
      return say(api::ProblemKind::sites_full,
                 "every permitted site has as many requests as it may have, and too many wait "
                 "already; try again later");
    case dispatch::End::asked_to_wait:
      return say(api::ProblemKind::sites_rate_limited,
                 "every permitted site asks to be left alone for a while");
    case dispatch::End::sites_unavailable:
      return say(api::ProblemKind::no_site_available,
                 "permitted sites exist, but none of them works just now; try again shortly");
    case dispatch::End::out_of_time:
      if (action.last_failure == answer::Failure::stalled) {
        return say(api::ProblemKind::out_of_time,
                   fmt::format("The time limit of the latency class `{}` has passed before the "
                               "answer was whole. Ask for a shorter answer, or in a class with "
                               "more time.",
                               snapshot.catalog.classes[record.latency_class].name));
      }
      return say(api::ProblemKind::site_timed_out,
                 "the time limit of the request's latency class has passed without an answer");
    case dispatch::End::client_error:
    case dispatch::End::attempts_failed:
    case dispatch::End::cut: {
      // The last site may only have found it wrong to go on with the answer.
      told = report != nullptr && report->failure == action.last_failure
                 ? api::from_failure(*report)
                 : api::from_failure({.failure = action.last_failure});
      // One site's wish is not the earliest time at which some site may be asked.
      if (api::row_of(told.kind).fault == Fault::upstream && action.retry_after) {
        told.retry_after = action.retry_after;
      }
      return told;
    }
    case dispatch::End::refused_by_law:  // told with its reasons, by the caller
    case dispatch::End::open:
    case dispatch::End::answered:
    case dispatch::End::client_gone: break;
  }
  return say(api::ProblemKind::internal, "the gateway lost track of this request");
}

std::vector<api::SiteRefusal> refusals_of(const std::vector<gate::Verdict>& verdicts,
                                          const dispatch::Snapshot& snapshot) {
  std::vector<api::SiteRefusal> refusals;
  for (const gate::Verdict& verdict : verdicts) {
    for (const gate::Refusal& refusal : verdict.refusals) {
      refusals.push_back({.site = snapshot.fleet.sites[verdict.site].name,
                          .rule = refusal.rule,
                          .requirement = refusal.requirement,
                          .facts = refusal.facts});
    }
  }
  return refusals;
}

api::Problem problem_of(const http::Refusal& refusal) {
  api::Problem problem{.message = std::string(refusal.message)};
  switch (refusal.status) {
    case 400: problem.kind = api::ProblemKind::malformed_http; break;
    case 408: problem.kind = api::ProblemKind::request_timeout; break;
    case 413: problem.kind = api::ProblemKind::body_too_large; break;
    case 414: problem.kind = api::ProblemKind::target_too_long; break;
    case 417: problem.kind = api::ProblemKind::bad_expectation; break;
    case 431: problem.kind = api::ProblemKind::head_too_large; break;
    case 501: problem.kind = api::ProblemKind::not_implemented; break;
    case 503:
      problem.kind = refusal.code == http::refusals::kDraining.code ? api::ProblemKind::draining
                                                                    : api::ProblemKind::overloaded;
      problem.retry_after = seconds(1);
      break;
    case 505: problem.kind = api::ProblemKind::bad_version; break;
    default: break;  // internal
  }
  return problem;
}

http::RefusalReply refusal_reply(const api::Problem& problem) {
  http::RefusalReply reply;
  for (api::HttpHeader& header : api::headers_of(problem)) {
    reply.headers.emplace_back(std::move(header.name), std::move(header.value));
  }
  api::write_error_body(problem, reply.body);
  return reply;
}

void reply_problem(http::Exchange& exchange, const api::Problem& problem) {
  const std::vector<api::HttpHeader> headers = api::headers_of(problem);
  std::vector<http::HeaderLine> lines;
  lines.reserve(headers.size());
  for (const api::HttpHeader& header : headers) lines.push_back({header.name, header.value});
  std::string body;
  api::write_error_body(problem, body);
  exchange.reply(api::http_status(problem), lines, body);
}

}  // namespace hanse::serve
