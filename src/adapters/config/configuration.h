// src/adapters/config/configuration.h
// What the files say, as typed and validated values.
//
// A Configuration is one immutable snapshot: who can serve what, under which
// rules, for whom, and how the gateway itself behaves. load.h makes one or
// says what is wrong. It is held by shared_ptr<const Configuration> because a
// reload leaves the old one to the attempts that began with it.
//
// Tables are in order of their ids, not of the files, so that two files of the
// same meaning give the same indices, the same digest and the same decisions.
// Paths are resolved against the folder of the file that names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/money.h"
#include "base/quantity.h"
#include "base/time.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/gate/labels.h"
#include "core/gate/policy.h"
#include "core/limits/tenants.h"

namespace hanse::config {

using Bytes = Quantity<struct BytesTag>;

// Where to listen.
struct Address {
  enum class Kind : std::uint8_t { tcp, unix_socket };

  Kind kind = Kind::tcp;
  std::string host;            // tcp: an IP address without brackets, or "localhost"
  std::uint16_t port = 0;      // tcp: 0 lets the system choose
  std::filesystem::path path;  // unix_socket

  // Whether only this machine can reach it.
  [[nodiscard]] bool is_local() const;
  // "127.0.0.1:8411", "[::1]:8411", "unix:PATH".
  [[nodiscard]] std::string text() const;

  bool operator==(const Address&) const = default;
};

// [gateway]: the gateway itself.
struct GatewayOptions {
  std::string name;                            // in metrics, the log and /readyz
  std::string currency;                        // ISO 4217; the books' and every price's
  std::vector<Address> listen;                 // at least one; tcp
  Address admin;                               // health, metrics, records
  std::filesystem::path admin_token_file;      // empty: none is asked for (unix sockets only)
  std::filesystem::path data_dir;              // the journal and the books
  std::filesystem::path tls_certificate_file;  // both or neither; empty: plain HTTP
  std::filesystem::path tls_key_file;
  Duration drain_limit;  // open streams may finish for so long when asked to stop
  std::string strategy;  // of placement
};

// [http]: bounds on what a peer may make us hold, and for how long.
struct HttpLimits {
  Bytes head_bytes_max;  // request line and fields
  std::int64_t headers_max = 0;
  Bytes body_bytes_max;
  Bytes retained_bytes_max;          // all bodies and buffers of a shard together
  std::int64_t connections_max = 0;  // from clients
  Duration tls_handshake_time_limit;
  Duration head_time_limit;   // from the first byte (or the connection) to the head's end
  Duration body_time_limit;   // from the head's end to the body's
  Duration idle_time_limit;   // between two requests of a kept connection
  Duration write_time_limit;  // a client that takes no byte for so long is gone
  std::int64_t idle_connections_per_site_max = 0;

  bool operator==(const HttpLimits&) const = default;
};

// [limits]: how much the gateway takes on, whoever asks.
struct GatewayLimits {
  std::uint32_t requests_max = 10'000;  // open ones of a shard
  std::uint8_t attempts_max = 4;        // of one request
  std::uint32_t queued_max = 1'024;     // that wait for a site with room
  std::uint32_t queued_per_tenant_max = 256;
  // Answers that are kept for who asks again with an Idempotency-Key.
  std::uint32_t idempotency_keys_max = 10'000;
  Bytes idempotency_bytes_max{std::int64_t{64} << 20U};        // of all together
  Bytes idempotency_answer_bytes_max{std::int64_t{4} << 20U};  // of one
  Duration idempotency_kept_for = seconds(600);                // from its end

  bool operator==(const GatewayLimits&) const = default;
};

// [health]: when a site counts as broken, and how soon it is tried again.
struct HealthOptions {
  std::int32_t soft_failures_to_open = 3;  // in a row
  Duration pause_first = seconds(1);       // doubles with each failure
  Duration pause_max = seconds(30);
  Duration probe_interval = seconds(1);

  bool operator==(const HealthOptions&) const = default;
};

// [ledger]: how safe, how late, how large.
struct LedgerOptions {
  enum class Durability : std::uint8_t {
    process,  // survives the end of the process: written before the bytes leave
    power,    // survives the loss of power: on disk before the last byte leaves
  };

  Durability durability = Durability::process;
  Duration fsync_interval;  // at most so long between groups
  Duration lag_max;         // books behind the journal by more stop admission
  Bytes segment_bytes;      // of the journal

  bool operator==(const LedgerOptions&) const = default;
};

// [records]: decision records; never content.
struct RecordOptions {
  Duration retention;  // older ones are erased
  Bytes bytes_max;     // past it the oldest are erased before their time

  bool operator==(const RecordOptions&) const = default;
};

// [telemetry]
struct TelemetryOptions {
  enum class LogLevel : std::uint8_t { debug, info, warning, error };
  enum class LogFormat : std::uint8_t { text, json };

  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  std::filesystem::path log_file;  // empty: standard error

  bool operator==(const TelemetryOptions&) const = default;
};

// [currency.X]: what one unit of another currency was worth. Prices in it are
// turned into the gateway's currency when the files are read.
struct CurrencyRate {
  std::string code;
  Money rate;  // of the gateway's currency for one unit of `code`
  std::optional<WallTime> dated;
};

struct Configuration {
  catalog::Catalog catalog;
  fleet::Fleet fleet;
  gate::LabelVocabulary labels;
  gate::Policies policies;
  limits::Tenants tenants;
  GatewayOptions gateway;
  HttpLimits http;
  GatewayLimits limits;
  HealthOptions health;
  LedgerOptions ledger;
  RecordOptions records;
  TelemetryOptions telemetry;
  std::vector<CurrencyRate> currencies;  // in order of their codes
  // Of the canonical text (see Loaded::canonical): the same meaning has the
  // same digest, whatever the order, the layout and the comments.
  Sha256 digest;
};

}  // namespace hanse::config
