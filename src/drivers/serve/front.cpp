#include "drivers/serve/front.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "adapters/api/models.h"
#include "drivers/serve/problems.h"

namespace hanse::serve {
namespace {

std::string_view field(const http::RequestHead& head, std::string_view name) {
  return head.headers().find(name).value_or(std::string_view());
}

api::Problem overloaded(std::string message, Duration retry_after) {
  api::Problem problem;
  problem.kind = api::ProblemKind::overloaded;
  problem.message = std::move(message);
  problem.retry_after = retry_after;
  return problem;
}

}  // namespace

void Front::on_head(http::Exchange& exchange) {
  checked_.exchange = nullptr;
  auto asked = read_head(exchange.head());
  if (!asked) return refuse(exchange, std::move(asked.error()));
  checked_ = {.exchange = &exchange,
              .setting = shard_.setting().get(),
              .at = shard_.loop().now().monotonic,
              .asked = *std::move(asked)};
}

bool Front::is_checked(const http::Exchange& exchange) const {
  return checked_.exchange == &exchange && checked_.setting == shard_.setting().get() &&
         checked_.at == shard_.loop().now().monotonic;
}

void Front::on_request(http::Exchange& exchange) {
  if (!is_checked(exchange)) {
    // A key may have been taken away while a slow body came in.
    auto asked = read_head(exchange.head());
    if (!asked) return refuse(exchange, std::move(asked.error()));
    checked_.asked = *std::move(asked);
  }
  checked_.exchange = nullptr;
  const Asked& asked = checked_.asked;
  switch (asked.route.operation) {
    case api::Operation::chat_completions:
    case api::Operation::completions: return generate(exchange, asked);
    case api::Operation::list_models: return list_models(exchange, asked.key);
    case api::Operation::get_model: return get_model(exchange, asked);
  }
}

http::RefusalReply Front::on_refused(const http::Refusal& refusal, const http::RequestHead* head) {
  api::Problem problem = problem_of(refusal);
  count(problem);
  mark(problem, head);
  return refusal_reply(problem);
}

std::expected<Front::Asked, api::Problem> Front::read_head(const http::RequestHead& head) const {
  auto route = api::find_route(head.method(), head.target());
  if (!route) return std::unexpected(std::move(route.error()));
  if (head.headers().count("authorization") > 1) {
    return std::unexpected(api::bad_request("more than one Authorization header", "authorization"));
  }
  auto presented = api::read_bearer(field(head, "authorization"));
  if (!presented) return std::unexpected(std::move(presented.error()));
  const auto key = shard_.setting()->keys->authenticate(*presented, shard_.loop().now().wall);
  if (!key) {
    api::Problem problem;
    problem.kind = api::ProblemKind::invalid_key;
    problem.message = "the API key is not known here, or is no longer valid";
    return std::unexpected(std::move(problem));
  }
  const bool has_body = route->operation == api::Operation::chat_completions ||
                        route->operation == api::Operation::completions;
  if (has_body) {
    auto type = api::check_content_type(field(head, "content-type"));
    if (!type) return std::unexpected(std::move(type.error()));
    const std::string_view coding = field(head, "content-encoding");
    if (!coding.empty() && !http::equals_ignoring_case(coding, "identity")) {
      api::Problem problem;
      problem.kind = api::ProblemKind::unsupported_media;
      problem.message = "The body must be sent as it is, without a Content-Encoding.";
      problem.param = "content-encoding";
      return std::unexpected(std::move(problem));
    }
  }
  return Asked{.route = *std::move(route), .key = *key};
}

// What is meant for us and would pass unnoticed is refused.
std::expected<void, api::Problem> Front::check_own_headers(const http::RequestHead& head) {
  for (const std::string_view name : {"hanse-data", "hanse-class"}) {
    if (head.headers().count(name) > 1) {
      return std::unexpected(
          api::bad_request(fmt::format("more than one {} header", name), std::string(name)));
    }
  }
  for (const http::Field header : head.headers()) {
    if (api::is_almost_ours(header.name)) {
      return std::unexpected(api::not_our_header(header.name));
    }
    if (http::equals_ignoring_case(header.name, "trailer") && api::announces_ours(header.value)) {
      return std::unexpected(
          api::bad_request("a label in a trailer comes too late; send it in a header", "trailer"));
    }
  }
  const auto data = head.headers().find("hanse-data");
  if (data && data->find_first_not_of(" \t") == std::string_view::npos) {
    return std::unexpected(api::bad_request(
        "Hanse-Data is there but empty; leave it out, or write `none` for data without labels",
        "hanse-data"));
  }
  return {};
}

std::expected<Admission, api::Problem> Front::admit(const http::RequestHead& head, KeyId key) {
  const dispatch::Snapshot& snapshot = *shard_.setting()->snapshot;
  const limits::Key& row = snapshot.tenants.keys[key];
  Admission admission;
  admission.setting = shard_.setting();
  admission.key = key;

  if (auto sound = check_own_headers(head); !sound)
    return std::unexpected(std::move(sound.error()));
  auto labels = api::read_labels(
      snapshot.labels, field(head, "hanse-data"),
      {.tenant_default = gate::LabelSet(snapshot.tenants.tenants[row.tenant].default_labels),
       .key_may_relax = row.may_relax});
  if (!labels) return std::unexpected(std::move(labels.error()));
  admission.labels = *labels;

  const api::TraceContext trace = span_of(head);
  admission.extras.trace_id = trace.trace_id;
  admission.traceparent = api::to_traceparent(trace);
  if (const auto id = api::read_client_request_id(field(head, "x-client-request-id"))) {
    admission.extras.client_request_id = *id;
  } else if (const auto other = api::read_client_request_id(field(head, "x-request-id"))) {
    admission.extras.client_request_id = *other;
  }
  return admission;
}

void Front::generate(http::Exchange& exchange, const Asked& asked) {
  auto named = read_named(exchange, asked);
  if (!named) return refuse(exchange, std::move(named.error()));
  if (!*named) return begin(exchange, asked, nullptr);
  if (!tell_again(exchange, **named)) begin(exchange, asked, &**named);
}

std::expected<std::optional<KeptAnswers::Request>, api::Problem> Front::read_named(
    const http::Exchange& exchange, const Asked& asked) const {
  const limits::Tenants& tenants = shard_.setting()->snapshot->tenants;
  const limits::Key& key = tenants.keys[asked.key];
  if (!tenants.tenants[key.tenant].idempotency_keys) return std::nullopt;
  const http::RequestHead& head = exchange.head();
  const auto given = head.headers().find("idempotency-key");
  if (!given) return std::nullopt;
  // What is told again has been asked for with sound headers.
  if (auto sound = check_own_headers(head); !sound)
    return std::unexpected(std::move(sound.error()));
  if (head.headers().count("idempotency-key") > 1) {
    return std::unexpected(
        api::bad_request("more than one Idempotency-Key header", "idempotency-key"));
  }
  const auto value = api::read_idempotency_key(*given);
  if (!value) return std::unexpected(value.error());
  const bool chat = asked.route.operation == api::Operation::chat_completions;
  return KeptAnswers::Request{
      .name = limits::idempotency_name(key.digest, *value),
      .question = limits::digest_of({.operation = chat ? "chat" : "completion",
                                     .latency_class = field(head, "hanse-class"),
                                     .labels = field(head, "hanse-data"),
                                     .body = exchange.body()})};
}

bool Front::tell_again(http::Exchange& exchange, const KeptAnswers::Request& named) {
  const auto found = shard_.kept_answers().find(named);
  if (!found) return false;
  if (!found->same_question) {
    shard_.metrics().observe_idempotency("mismatched");
    refuse(exchange, {.kind = api::ProblemKind::key_reused,
                      .message = "This Idempotency-Key stands for another request, with another "
                                 "body, path, class or data labels. Use a new one for each "
                                 "request, and the same one only to send it again.",
                      .param = "idempotency-key"});
    return true;
  }
  const std::string_view outcome = found->answer->ended() ? "replayed" : "joined";
  shard_.metrics().observe_idempotency(outcome);
  shard_.trace().told_again(found->answer->request(), outcome);
  const api::Traceparent traceparent = api::to_traceparent(span_of(exchange.head()));
  exchange.release_body();
  exchange.release_head();
  found->answer->tell(exchange, traceparent, KeptAnswer::Asked::again);
  return true;
}

void Front::begin(http::Exchange& exchange, const Asked& asked, const KeptAnswers::Request* named) {
  if (const Status books = shard_.books().may_admit(shard_.loop().now()); !books) {
    // The reason is the operator's, on the admin listener and in the log.
    return refuse(
        exchange,
        overloaded("this gateway cannot book requests just now and so takes none", seconds(10)));
  }
  auto admission = admit(exchange.head(), asked.key);
  if (!admission) return refuse(exchange, std::move(admission.error()));
  auto class_name = api::read_class(field(exchange.head(), "hanse-class"));
  if (!class_name) return refuse(exchange, std::move(class_name.error()));
  Session* session = shard_.take_session();
  if (session == nullptr) {
    return refuse(
        exchange,
        overloaded("this gateway has as many open requests as it may have; try again shortly",
                   seconds(1)));
  }
  if (named != nullptr) {
    admission->kept = shard_.kept_answers().open(*named);
    shard_.metrics().observe_idempotency(admission->kept != nullptr ? "new" : "refused");
    if (admission->kept == nullptr) {
      shard_.give_back(session->ref().slot);
      return refuse(exchange, overloaded("as many requests with an Idempotency-Key are under way "
                                         "as may be; try again shortly",
                                         seconds(1)));
    }
  }
  KeptAnswer* const kept = admission->kept;
  const answer::Dialect dialect = asked.route.operation == api::Operation::completions
                                      ? answer::Dialect::completion
                                      : answer::Dialect::chat;
  if (auto problem = session->begin(exchange, *std::move(admission), dialect, *class_name)) {
    if (kept != nullptr) kept->give_up();
    shard_.give_back(session->ref().slot);
    refuse(exchange, *std::move(problem));
  }
}

void Front::list_models(http::Exchange& exchange, KeyId key) {
  const dispatch::Snapshot& snapshot = *shard_.setting()->snapshot;
  std::vector<api::ModelEntry> models;
  snapshot.catalog.aliases.for_each([&](AliasId alias, const catalog::Alias& row) {
    if (sells(snapshot, key, alias)) models.push_back({.alias = row.name});
  });
  std::string body;
  api::write_models(models, body);
  reply_json(exchange, body);
}

void Front::get_model(http::Exchange& exchange, const Asked& asked) {
  const dispatch::Snapshot& snapshot = *shard_.setting()->snapshot;
  const auto alias = snapshot.catalog.aliases.find(asked.route.model_id);
  if (!alias || !sells(snapshot, asked.key, *alias)) {
    return refuse(exchange, unknown_model(asked.route.model_id, snapshot, asked.key));
  }
  std::string body;
  api::write_model({.alias = asked.route.model_id}, body);
  reply_json(exchange, body);
}

api::TraceContext Front::span_of(const http::RequestHead& head) {
  Random& random = shard_.random();
  return api::child_context(api::read_traceparent(field(head, "traceparent")),
                            {random.next(), random.next(), random.next()});
}

Front::Marks Front::marks_of(const http::RequestHead* head) {
  Random& random = shard_.random();
  Marks marks{.request_id = fmt::format("rej_{:016x}{:016x}", random.next(), random.next()),
              .traceparent = {}};
  if (head == nullptr) return marks;
  const api::Traceparent traceparent = api::to_traceparent(span_of(*head));
  marks.traceparent.assign(traceparent.begin(), traceparent.end());
  return marks;
}

void Front::reply_json(http::Exchange& exchange, std::string_view body) {
  const Marks marks = marks_of(&exchange.head());
  const std::array<http::HeaderLine, 3> headers{{{"content-type", "application/json"},
                                                 {"x-request-id", marks.request_id},
                                                 {"traceparent", marks.traceparent}}};
  exchange.reply(200, headers, body);
}

void Front::refuse(http::Exchange& exchange, api::Problem problem) {
  count(problem);
  mark(problem, &exchange.head());
  reply_problem(exchange, problem);
}

void Front::mark(api::Problem& problem, const http::RequestHead* head) {
  Marks marks = marks_of(head);
  problem.request_id = std::move(marks.request_id);
  problem.traceparent = std::move(marks.traceparent);
}

void Front::count(const api::Problem& problem) {
  const std::string_view code = api::row_of(problem.kind).code;
  const std::string_view said = code.empty() ? "bad_request" : code;
  shard_.metrics().observe_rejection(said);
  shard_.trace().turned_away(said);
}

}  // namespace hanse::serve
