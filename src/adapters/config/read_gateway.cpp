// [gateway], [http], [limits], [health], [ledger], [records], [telemetry] and [currency.X].
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "adapters/config/draft.h"
#include "adapters/config/schema.h"
#include "adapters/config/values.h"

namespace hanse::config {
namespace {

Address resolved_address(const Draft& draft, const Node& node) {
  Address address = parse_address(node.text).value_or(Address{});
  if (address.kind == Address::Kind::unix_socket) {
    Node path;
    path.text = address.path.string();
    address.path = resolve(draft, &path);
  }
  return address;
}

void read_options(Draft& draft, const Section& gateway) {
  GatewayOptions& options = draft.configuration.gateway;
  options.name = gateway.text("name");
  options.currency = gateway.text("currency");
  for (const std::string& text : gateway.texts("listen")) {
    options.listen.push_back(parse_address(text).value_or(Address{}));
  }
  options.admin_token_file = resolve(draft, gateway.get("admin_token_file"));
  options.data_dir = resolve(draft, gateway.get("data_dir"));
  if (const Node* admin = gateway.get("admin")) {
    options.admin = resolved_address(draft, *admin);
  } else {
    options.admin.kind = Address::Kind::unix_socket;
    options.admin.path = options.data_dir / "admin.sock";
  }
  options.tls_certificate_file = resolve(draft, gateway.get("tls_certificate_file"));
  options.tls_key_file = resolve(draft, gateway.get("tls_key_file"));
  options.drain_limit = gateway.duration("drain_limit");
  options.strategy = gateway.text("strategy");
}

void read_http(Draft& draft, const Section& http) {
  HttpLimits& limits = draft.configuration.http;
  limits.head_bytes_max = http.size("head_bytes_max");
  limits.headers_max = http.number("headers_max");
  limits.body_bytes_max = http.size("body_bytes_max");
  limits.retained_bytes_max = http.size("retained_bytes_max");
  limits.connections_max = http.number("connections_max");
  limits.tls_handshake_time_limit = http.duration("tls_handshake_time_limit");
  limits.head_time_limit = http.duration("head_time_limit");
  limits.body_time_limit = http.duration("body_time_limit");
  limits.idle_time_limit = http.duration("idle_time_limit");
  limits.write_time_limit = http.duration("write_time_limit");
  limits.idle_connections_per_site_max = http.number("idle_connections_per_site_max");
}

void read_limits(Draft& draft, const Section& document) {
  const Section limits = document.section("limits");
  draft.configuration.limits = {
      .requests_max = static_cast<std::uint32_t>(limits.number("requests_max")),
      .attempts_max = static_cast<std::uint8_t>(limits.number("attempts_max")),
      .queued_max = static_cast<std::uint32_t>(limits.number("queued_max")),
      .queued_per_tenant_max = static_cast<std::uint32_t>(limits.number("queued_per_tenant_max")),
      .idempotency_keys_max = static_cast<std::uint32_t>(limits.number("idempotency_keys_max")),
      .idempotency_bytes_max = limits.size("idempotency_bytes_max"),
      .idempotency_answer_bytes_max = limits.size("idempotency_answer_bytes_max"),
      .idempotency_kept_for = limits.duration("idempotency_kept_for"),
  };
  const Section health = document.section("health");
  draft.configuration.health = {
      .soft_failures_to_open = static_cast<std::int32_t>(health.number("soft_failures_to_open")),
      .pause_first = health.duration("pause_first"),
      .pause_max = health.duration("pause_max"),
      .probe_interval = health.duration("probe_interval"),
  };
}

void read_keeping(Draft& draft, const Section& document) {
  const Section ledger = document.section("ledger");
  draft.configuration.ledger = {
      .durability = ledger.text("durability") == "power" ? LedgerOptions::Durability::power
                                                         : LedgerOptions::Durability::process,
      .fsync_interval = ledger.duration("fsync_interval"),
      .lag_max = ledger.duration("lag_max"),
      .segment_bytes = ledger.size("segment_bytes"),
  };
  const Section records = document.section("records");
  draft.configuration.records = {
      .retention = records.duration("retention"),
      .bytes_max = records.size("bytes_max"),
  };
}

void read_telemetry(Draft& draft, const Section& telemetry) {
  TelemetryOptions& options = draft.configuration.telemetry;
  using Level = TelemetryOptions::LogLevel;
  const std::string level = telemetry.text("log_level");
  options.log_level = level == "debug"     ? Level::debug
                      : level == "warning" ? Level::warning
                      : level == "error"   ? Level::error
                                           : Level::info;
  options.log_format = telemetry.text("log_format") == "json" ? TelemetryOptions::LogFormat::json
                                                              : TelemetryOptions::LogFormat::text;
  options.log_file = resolve(draft, telemetry.get("log_file"));
}

void read_currencies(Draft& draft, const Section& document) {
  const std::string own = draft.configuration.gateway.currency;
  document.for_each("currency", [&](const std::string& code, const Section& section) {
    const bool three_capitals =
        code.size() == 3 && std::ranges::all_of(code, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!three_capitals) {
      draft.report.error(section.place(), {section.path(), fmt::format("'{}' is no currency", code),
                                           "a currency has three capital letters, such as USD"});
    } else if (code == own) {
      draft.report.error(section.place(),
                         {section.path(), fmt::format("{} is the gateway's own currency", code),
                          "rates are given for the others"});
    }
    CurrencyRate rate{.code = code, .rate = section.money("rate").value_or(Money()), .dated = {}};
    if (section.has("dated")) rate.dated = WallTime(section.number("dated"));
    draft.configuration.currencies.push_back(std::move(rate));
  });
}

// In the gateway's currency, rounded once, half to even; nothing when it is
// more than a price may be.
std::optional<TokenPrice> convert_price(TokenPrice price, Money rate) {
  const __int128 product = static_cast<__int128>(price.count()) * rate.count();
  __int128 quotient = product / kNanosPerUnit;
  const auto rest = static_cast<std::int64_t>(product % kNanosPerUnit);
  const bool odd = (quotient & 1) != 0;
  if (2 * rest > kNanosPerUnit || (2 * rest == kNanosPerUnit && odd)) ++quotient;
  if (quotient > kTokenPriceMax.count()) return std::nullopt;
  return TokenPrice(static_cast<std::int64_t>(quotient));
}

// What one unit of the prices' currency is worth; nothing for the gateway's.
std::optional<Money> rate_for(Draft& draft, const Section& prices) {
  const Node* currency = prices.get("currency");
  const std::string& own = draft.configuration.gateway.currency;
  if (currency == nullptr || own.empty() || currency->text == own) return std::nullopt;
  const auto& rates = draft.configuration.currencies;
  const auto it = std::ranges::find(rates, currency->text, &CurrencyRate::code);
  if (it != rates.end()) return it->rate;
  draft.report.error(
      currency->place,
      {prices.path_of("currency"),
       fmt::format("prices in {} need a rate, for the gateway's currency is {}", currency->text,
                   own),
       fmt::format("write [currency.{}] with rate = \"...\", what one {} is worth in {}",
                   currency->text, currency->text, own)});
  return std::nullopt;
}

}  // namespace

TokenPrices read_prices(Draft& draft, const Section& prices) {
  const auto rate = rate_for(draft, prices);
  bool told = false;
  const auto price = [&](std::string_view key) {
    const TokenPrice written(prices.number(key));
    if (!rate) return written;
    const auto converted = convert_price(written, *rate);
    // The others are mostly copies of it, or too large for the same rate.
    if (!converted && !std::exchange(told, true)) {
      draft.report.error(
          prices.get(key)->place,
          {prices.path_of(key),
           fmt::format("expected at most {} {} per million tokens, found {} at a rate of {}",
                       to_decimal_per_million(kTokenPriceMax), draft.configuration.gateway.currency,
                       to_decimal_per_million(written), to_decimal(*rate)),
           "are the price and the rate right?"});
    }
    return converted.value_or(TokenPrice());
  };
  TokenPrices result;
  result[TokenKind::prompt] = price("prompt");
  result[TokenKind::cached_read] = price("cached");
  result[TokenKind::cache_write] = price("cache_write");
  result[TokenKind::output] = price("output");
  result[TokenKind::reasoning] = price("reasoning");
  return result;
}

void read_gateway(Draft& draft) {
  const Section document = top(draft);
  read_options(draft, document.section("gateway"));
  read_http(draft, document.section("http"));
  read_limits(draft, document);
  read_keeping(draft, document);
  read_telemetry(draft, document.section("telemetry"));
  read_currencies(draft, document);
}

}  // namespace hanse::config
