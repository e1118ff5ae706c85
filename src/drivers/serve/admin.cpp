#include "drivers/serve/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "adapters/api/errors.h"
#include "adapters/api/request_headers.h"
#include "adapters/telemetry/record_view.h"
#include "core/fleet/loss.h"
#include "drivers/serve/drills.h"
#include "drivers/serve/kept_records.h"
#include "drivers/serve/problems.h"
#include "drivers/serve/site_list.h"

namespace hanse::serve {
namespace {

constexpr std::size_t kNewestShown = 100;
constexpr std::string_view kDrills = "/drills";

void reply(http::Exchange& exchange, int status, std::string_view type, std::string_view body) {
  const std::array<http::HeaderLine, 1> headers{{{"content-type", type}}};
  exchange.reply(status, headers, body);
}

void not_found(http::Exchange& exchange, std::string message) {
  api::Problem problem;
  problem.kind = api::ProblemKind::route_not_found;
  problem.message = std::move(message);
  reply_problem(exchange, problem);
}

// `colour=on` and `columns=N` of a query.
telemetry::PrintOptions print_options(std::string_view query) {
  telemetry::PrintOptions options;
  options.colour = query.find("colour=on") != std::string_view::npos;
  constexpr std::string_view kColumns = "columns=";
  const std::size_t at = query.find(kColumns);
  if (at == std::string_view::npos) return options;
  std::size_t columns = 0;
  const std::string_view digits = query.substr(at + kColumns.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), columns);
  if (error == std::errc() && end != digits.data()) {
    options.columns = std::clamp<std::size_t>(columns, 80, 400);
  }
  return options;
}

// Compares all bytes whatever they are, so that the time taken tells nothing.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |=
        static_cast<unsigned char>(a[i]) ^ static_cast<unsigned>(static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

}  // namespace

// How a record is wanted, and then the reply.
struct Admin::RecordForm {
  bool text = false;
  telemetry::PrintOptions print;

  [[nodiscard]] std::string write(const telemetry::RecordView& view) const {
    return text ? telemetry::print(view, print) : telemetry::to_json(view, 2);
  }
  [[nodiscard]] std::string_view type() const {
    return text ? "text/plain; charset=utf-8" : "application/json";
  }
};

class Admin::Waiting final : public http::ExchangeObserver {
 public:
  Waiting(Admin& admin, std::uint64_t number, http::Exchange& exchange)
      : admin_(admin), number_(number), exchange_(exchange) {
    exchange_.set_observer(this);
  }

  void reply(std::string_view type, const Result<std::string>& body) {
    exchange_.set_observer(nullptr);
    if (body) return serve::reply(exchange_, 200, type, *body);
    const Error& error = body.error();
    if (error.code != ErrorCode::broken) return not_found(exchange_, error.message);
    api::Problem problem;
    problem.message = error.message;
    reply_problem(exchange_, problem);
  }

  void on_drained(http::Exchange&) override {}
  void on_client_gone(http::Exchange&) override {
    const std::uint64_t number = number_;
    admin_.waiting_.erase(number);  // this ends here
  }

 private:
  Admin& admin_;
  std::uint64_t number_;
  http::Exchange& exchange_;
};

Admin::Admin(Shard& shard, std::string gateway, std::string token)
    : shard_(shard), gateway_(std::move(gateway)), token_(std::move(token)) {}
Admin::~Admin() = default;

void Admin::on_head(http::Exchange& exchange) {
  const http::RequestHead& head = exchange.head();
  if (!may(head)) {
    api::Problem problem;
    problem.kind = api::ProblemKind::unauthenticated;
    problem.message = "the admin listener wants its token: Authorization: Bearer <token>";
    return reply_problem(exchange, problem);
  }
  const bool has_drills = head.path() == kDrills;
  const bool changes = head.method() == "POST" || head.method() == "DELETE";
  if (head.method() != "GET" && !(has_drills && changes)) {
    api::Problem problem;
    problem.kind = api::ProblemKind::method_not_allowed;
    problem.message = "the admin listener only answers GET; /drills takes POST and DELETE too";
    problem.allow = has_drills ? "GET, POST, DELETE" : "GET";
    return reply_problem(exchange, problem);
  }
}

void Admin::on_request(http::Exchange& exchange) {
  const std::string_view path = exchange.head().path();
  if (path == "/healthz") return reply(exchange, 200, "text/plain", "ok\n");
  if (path == "/readyz") return ready(exchange);
  if (path == "/metrics") return metrics(exchange);
  if (path == kDrills) return drills(exchange);
  if (path == "/sites") {
    return reply(exchange, 200, "application/json",
                 write_sites(shard_.dispatch(), shard_.loop().now().monotonic));
  }
  if (path == "/records") return newest_records(exchange);
  constexpr std::string_view kRecords = "/records/";
  if (path.starts_with(kRecords)) {
    return one_record(exchange, path.substr(kRecords.size()), exchange.head().query());
  }
  not_found(
      exchange,
      "there are /healthz, /readyz, /metrics, /sites, /drills, /records and /records/ID here");
}

http::RefusalReply Admin::on_refused(const http::Refusal& refusal, const http::RequestHead* head) {
  static_cast<void>(head);
  return refusal_reply(problem_of(refusal));
}

bool Admin::may(const http::RequestHead& head) const {
  // Whoever restarts processes has no token, and learns nothing from a 200.
  if (token_.empty() || head.path() == "/healthz") return true;
  const auto presented = api::read_bearer(head.headers().find("authorization").value_or(""));
  return presented && equal_in_constant_time(*presented, token_);
}

bool Admin::in_time(const RecordRing::Entry& entry) const {
  const Duration retention = shard_.setting()->configuration->records.retention;
  return elapsed(entry.ended_at, shard_.loop().now().wall) < retention;
}

void Admin::ready(http::Exchange& exchange) const {
  const auto says = [&](int status, std::string_view what) {
    reply(exchange, status, "text/plain", fmt::format("{}: {}\n", gateway_, what));
  };
  if (draining_) return says(503, "draining");
  if (const Status books = shard_.books().may_admit(shard_.loop().now()); !books) {
    return says(503, books.error().message);
  }
  says(200, "ready");
}

void Admin::metrics(http::Exchange& exchange) const {
  std::string body;
  shard_.write_metrics(body);
  reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", body);
}

void Admin::drills(http::Exchange& exchange) {
  const fleet::Fleet& fleet = shard_.dispatch().snapshot().fleet;
  const std::string_view method = exchange.head().method();
  if (method != "GET") {
    const bool begins = method == "POST";
    const auto order = read_drill_order(exchange.body());
    if (!order) return reply_problem(exchange, api::bad_request(order.error().message));
    if (begins && order->losses.empty()) {
      return reply_problem(exchange, api::bad_request("a drill: say what is to be left out"));
    }
    auto sites = fleet::sites_lost(fleet, order->losses);
    if (!sites) return not_found(exchange, sites.error().message);
    if (order->losses.empty()) sites = BitSet::full(fleet.sites.size());
    sites->for_each(
        [&](std::size_t i) { shard_.drill(SiteId(i), begins ? order->lasts : Duration()); });
  }
  reply(exchange, 200, "application/json",
        write_drills(shard_.dispatch(), shard_.loop().now().monotonic));
}

Result<telemetry::RecordView> Admin::view_of_newest(const RecordRing::Entry& entry) {
  return viewer_.view(entry.bytes, entry.snapshot,
                      ledger::RequestId{.journal = shard_.journal_id(), .number = entry.number},
                      shard_.currency());
}

void Admin::newest_records(http::Exchange& exchange) {
  std::string body;
  shard_.records().for_newest(kNewestShown, [&](const RecordRing::Entry& entry) {
    if (!in_time(entry)) return;
    if (const auto view = view_of_newest(entry)) {
      body += telemetry::to_json(*view);
      body += '\n';
    }
  });
  reply(exchange, 200, "application/x-ndjson", body);
}

void Admin::one_record(http::Exchange& exchange, std::string_view id, std::string_view query) {
  const auto parsed = ledger::parse_request_id(id);
  if (!parsed) return not_found(exchange, parsed.error().message);
  const RecordForm form{.text = query.find("view=text") != std::string_view::npos,
                        .print = print_options(query)};
  const RecordRing::Entry* entry =
      parsed->journal == shard_.journal_id() ? shard_.records().find(parsed->number) : nullptr;
  if (entry == nullptr || !in_time(*entry)) return look_up(exchange, *parsed, form);
  const auto view = view_of_newest(*entry);
  if (!view) return not_found(exchange, view.error().message);
  reply(exchange, 200, form.type(), form.write(*view));
}

void Admin::look_up(http::Exchange& exchange, const ledger::RequestId& request,
                    const RecordForm& form) {
  const std::uint64_t number = ++looked_up_;
  // On the archive's thread: what takes long is done there, and the loop only
  // replies. This object may be gone by then, the loop may not.
  const auto told = [this, &loop = shard_.loop(), number,
                     form](const Result<telemetry::RecordView>& view) {
    Result<std::string> body = std::unexpected(Error());
    if (view) {
      body = form.write(*view);
    } else {
      body = std::unexpected(view.error());
    }
    loop.post([this, number, form, body] {
      const auto waiting = waiting_.find(number);
      if (waiting == waiting_.end()) return;  // the client has gone
      const auto ending = std::move(waiting->second);
      waiting_.erase(waiting);
      ending->reply(form.type(), body);
    });
  };
  if (!shard_.books().archive().look_up(request, told)) {
    api::Problem problem;
    problem.kind = api::ProblemKind::overloaded;
    problem.message = "too many records are being looked up; ask again";
    problem.retry_after = seconds(1);
    return reply_problem(exchange, problem);
  }
  waiting_.emplace(number, std::make_unique<Waiting>(*this, number, exchange));
}

}  // namespace hanse::serve
