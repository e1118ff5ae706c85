#include "drivers/serve/serve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "adapters/config/load.h"
#include "adapters/http/loop.h"
#include "adapters/http/server.h"
#include "adapters/http/tls.h"
#include "adapters/telemetry/log.h"
#include "base/version.h"
#include "drivers/serve/admin.h"
#include "drivers/serve/books_files.h"
#include "drivers/serve/front.h"
#include "drivers/serve/reload.h"
#include "drivers/serve/secret.h"
#include "drivers/serve/shard.h"
#include "drivers/serve/surroundings.h"

namespace hanse::serve {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitConfiguration = 2;
// For the journal, the books, the log, the admin side and the loop.
constexpr std::uint64_t kOpenFilesOfOurOwn = 128;

template <typename Bytes>
void fill_at_random(Bytes& bytes) {
  std::size_t filled = 0;
  auto* begin = reinterpret_cast<char*>(&bytes);
  while (filled < sizeof bytes) {
    const ssize_t got = getrandom(begin + filled, sizeof bytes - filled, 0);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
}

http::Endpoint endpoint_of(const config::Address& address) {
  // The configuration has checked the address.
  return http::Endpoint::parse(address.text()).value();
}

http::LoopOptions loop_options(const config::HttpLimits& limits) {
  http::LoopOptions options;
  options.buffers.in_use_max = static_cast<std::size_t>(limits.retained_bytes_max.count());
  return options;
}

http::ServerOptions server_options(const config::HttpLimits& limits) {
  http::ServerOptions options;
  options.limits.head_bytes_max = static_cast<std::size_t>(limits.head_bytes_max.count());
  options.limits.fields_max = static_cast<std::size_t>(limits.headers_max);
  options.limits.body_bytes_max = static_cast<std::uint64_t>(limits.body_bytes_max.count());
  options.connections_max = static_cast<std::size_t>(limits.connections_max);
  options.handshake_time = limits.tls_handshake_time_limit;
  options.head_time = limits.head_time_limit;
  options.body_time = limits.body_time_limit;
  options.idle_time = limits.idle_time_limit;
  options.write_stall = limits.write_time_limit;
  return options;
}

dispatch::DispatchOptions dispatch_options(const config::Configuration& configuration) {
  // The configuration has checked what dispatch requires.
  dispatch::DispatchOptions options;
  options.currency = ledger::parse_currency(configuration.gateway.currency).value();
  options.requests_max = configuration.limits.requests_max;
  options.attempts_max = configuration.limits.attempts_max;
  options.queued_max = configuration.limits.queued_max;
  options.queued_max_per_tenant = configuration.limits.queued_per_tenant_max;
  options.probe_every = configuration.health.probe_interval;
  options.health = {.soft_failures_to_open = configuration.health.soft_failures_to_open,
                    .pause_first = configuration.health.pause_first,
                    .pause_max = configuration.health.pause_max};
  return options;
}

limits::IdempotencyLimits idempotency_limits(const config::GatewayLimits& limits) {
  limits::IdempotencyLimits kept;
  kept.entries_max = limits.idempotency_keys_max;
  kept.bytes_max = static_cast<std::size_t>(limits.idempotency_bytes_max.count());
  kept.answer_bytes_max = static_cast<std::size_t>(limits.idempotency_answer_bytes_max.count());
  kept.kept_for = limits.idempotency_kept_for;
  return kept;
}

Result<std::shared_ptr<const http::TlsContext>> listener_tls(
    const config::GatewayOptions& gateway) {
  if (gateway.tls_certificate_file.empty()) return std::shared_ptr<const http::TlsContext>();
  return http::TlsContext::for_server({.certificate_file = gateway.tls_certificate_file,
                                       .key_file = gateway.tls_key_file,
                                       .client_ca_file = {}});
}

telemetry::LogOptions log_options(const config::TelemetryOptions& telemetry) {
  return {.level = static_cast<telemetry::LogLevel>(telemetry.log_level),
          .format = static_cast<telemetry::LogFormat>(telemetry.log_format),
          .file = telemetry.log_file.string(),
          .now = wall_now};
}

// For whoever sits before a terminal. That nobody reads it is no failure.
void print(const std::vector<config::Diagnostic>& diagnostics) {
  const auto colour = isatty(STDERR_FILENO) == 1 ? config::Colour::on : config::Colour::off;
  const std::string text = config::render(diagnostics, colour);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

// The same for a log: one line each.
void write_down(const std::vector<config::Diagnostic>& diagnostics, telemetry::Log& log) {
  for (const config::Diagnostic& diagnostic : diagnostics) {
    std::string detail = diagnostic.path.empty()
                             ? diagnostic.message
                             : fmt::format("{}: {}", diagnostic.path, diagnostic.message);
    if (!diagnostic.hint.empty()) detail += fmt::format(" ({})", diagnostic.hint);
    const auto say = [&](auto level) {
      (log.*level)("configuration", {telemetry::field::path(diagnostic.file),
                                     telemetry::field::count("line", diagnostic.line),
                                     telemetry::field::count("column", diagnostic.column),
                                     telemetry::field::detail(detail)});
    };
    const bool is_error = diagnostic.severity == config::Diagnostic::Severity::error;
    say(is_error ? &telemetry::Log::error : &telemetry::Log::warning);
  }
}

// As many open files as we may have at all.
std::uint64_t raise_open_files_max() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

class Process {
 public:
  Process(ServeOptions options, const config::Loaded& loaded)
      : options_(std::move(options)),
        began_with_(*loaded.configuration),
        loop_(loop_options(loaded.configuration->http)) {}

  Status start(const config::Loaded& loaded) {
    const config::Configuration& configuration = *loaded.configuration;
    auto log = telemetry::Log::open(log_options(configuration.telemetry));
    if (!log) return std::unexpected(std::move(log.error()));
    log_ = std::make_unique<telemetry::Log>(*std::move(log));
    if (isatty(STDERR_FILENO) == 1) {
      print(loaded.diagnostics);
    } else {
      write_down(loaded.diagnostics, *log_);
    }
    auto setting = make_setting(loop_, loaded, nullptr);
    if (!setting) return std::unexpected(std::move(setting.error()));

    ShardOptions shard_options;
    fill_at_random(shard_options.random_seed);
    shard_options.build = {.gateway = configuration.gateway.name,
                           .version = std::string(kVersion),
                           .commit = {},
                           .build = std::string(kBuild)};
    shard_options.dispatch = dispatch_options(configuration);
    shard_options.idempotency = idempotency_limits(configuration.limits);

    auto books = open_books(configuration, (*setting)->snapshot);
    if (!books) return std::unexpected(std::move(books.error()));
    const Status kept = keep_snapshot(books_files(configuration.gateway.data_dir),
                                      configuration.digest, loaded.canonical);
    if (!kept) return kept;
    shard_options.last_byte_survives_power_loss = power_loss_counts(configuration);
    go_on_from((*books)->ledger().last_at());
    const Instant began = loop_.read_clock();
    auto recorder = record(**books, **setting, shard_options, began);
    if (!recorder) return std::unexpected(std::move(recorder.error()));
    shard_ = std::make_unique<Shard>(loop_, *std::move(setting), *std::move(books),
                                     *std::move(recorder), shard_options, began, *log_);
    if (Status listening = listen(configuration); !listening) return listening;
    install_signals();
    return {};
  }

  int run() {
    announce();
    loop_.run();
    if (const Status closed = shard_->books().close(); !closed) {
      log_->error("the journal could not be closed",
                  {telemetry::field::detail(closed.error().message)});
      return kExitFailure;
    }
    return 0;
  }

 private:
  static bool power_loss_counts(const config::Configuration& configuration) {
    return configuration.ledger.durability == config::LedgerOptions::Durability::power;
  }

  static journal::RetentionRule retention_rule(const config::Configuration& configuration) {
    return {.retention = configuration.records.retention,
            .bytes_max = static_cast<std::uint64_t>(configuration.records.bytes_max.count())};
  }

  // On the archive's thread.
  void records_erased(const Result<journal::RetentionReport>& report) const {
    if (!report) {
      log_->warning("old decision records cannot be erased; it is tried again",
                    {telemetry::field::detail(report.error().message)});
    } else if (report->files_removed != 0) {
      log_->info(
          "old decision records erased",
          {telemetry::field::count("files", report->files_removed),
           telemetry::field::count("bytes", static_cast<std::int64_t>(report->bytes_removed)),
           telemetry::field::count("bytes_left", static_cast<std::int64_t>(report->bytes_kept))});
    }
  }

  // On the archive's thread.
  void snapshots_erased(const Result<std::int64_t>& erased) const {
    if (!erased) {
      log_->warning("configurations that no record cites cannot be erased; it is tried again",
                    {telemetry::field::detail(erased.error().message)});
    } else if (*erased != 0) {
      log_->info("configurations that no record cites any more erased",
                 {telemetry::field::count("files", *erased)});
    }
  }

  // Times in the books never go backwards, whatever the machine's clock does
  // between two starts.
  void go_on_from(WallTime booked_last) {
    const Duration behind = elapsed(loop_.read_clock().wall, booked_last);
    if (behind > seconds(1)) {
      log_->warning(
          "the clock is behind the last entry of the books; their time stands still "
          "until it has caught up",
          {telemetry::field::duration("behind", behind)});
    }
    loop_.raise_wall(booked_last);
  }

  Result<std::unique_ptr<Books>> open_books(const config::Configuration& configuration,
                                            dispatch::SnapshotRef running) {
    const BooksFiles files = books_files(configuration.gateway.data_dir);
    BooksOptions options;
    options.files = files;
    options.records = retention_rule(configuration);
    options.now = wall_now;
    options.on_erased = [this](const auto& report) { records_erased(report); };
    options.on_snapshots_erased = [this](const auto& erased) { snapshots_erased(erased); };
    options.running = std::move(running);
    options.journal.segment_bytes =
        static_cast<std::uint64_t>(configuration.ledger.segment_bytes.count());
    options.journal.payload_segment_bytes = payload_segment_bytes_for(options.records.bytes_max);
    options.journal.segment_time = segment_time_for(options.records.retention);
    options.journal.flush_interval = configuration.ledger.fsync_interval;
    if (power_loss_counts(configuration)) {
      // Answers wait for the disk, so nothing gathers; the sync itself does.
      options.journal.flush_interval = Duration(0);
      options.journal.on_durable = [this] {
        loop_.post([this] {
          if (shard_ != nullptr) shard_->durable_rose();
        });
      };
    }
    options.journal.cover = [this](const std::function<void()>& work) { loop_.stand_aside(work); };
    options.lag_max = configuration.ledger.lag_max;
    const Status made = make_data_dir(configuration.gateway.data_dir);
    if (!made) return std::unexpected(made.error());
    auto books = Books::open(*disk_, options, loop_.read_clock());
    if (!books) return books;
    const journal::RecoveryReport& found = (*books)->journal().recovery();
    log_->info(
        "journal open",
        {telemetry::field::path(files.journal.string()),
         telemetry::field::count("entries_read", static_cast<std::int64_t>(found.entries_read))});
    if (!found.cut.empty()) {
      log_->warning("the journal's end was cut off", {telemetry::field::detail(found.cut)});
    }
    return books;
  }

  // Null when no recording is asked for.
  Result<std::unique_ptr<Recorder>> record(Books& books, const Setting& setting,
                                           const ShardOptions& options, Instant began) const {
    if (options_.recording_file.empty()) return nullptr;
    auto recorder =
        Recorder::create(options_.recording_file, {.options = options.dispatch,
                                                   .at = began,
                                                   .snapshot = setting.snapshot->digest,
                                                   .journal = books.journal().id(),
                                                   .position = books.ledger().position()});
    if (recorder) books.seal(began.wall, **recorder);
    return recorder;
  }

  Status listen(const config::Configuration& configuration) {
    auto tls = listener_tls(configuration.gateway);
    if (!tls) return std::unexpected(std::move(tls.error()));
    auto token = read_admin_token(configuration.gateway.admin_token_file);
    if (!token) return std::unexpected(std::move(token.error()));

    http::ServerOptions options = server_options(configuration.http);
    options.connections_max = std::min(options.connections_max, connections_that_fit());
    options.tls = *std::move(tls);
    front_ = std::make_unique<Front>(*shard_);
    server_ = std::make_unique<http::Server>(loop_, options, *front_);
    for (const config::Address& address : configuration.gateway.listen) {
      auto bound = server_->listen(endpoint_of(address));
      if (!bound) return std::unexpected(std::move(bound.error()));
      bound_.push_back(*bound);
    }

    http::ServerOptions admin_options = server_options(configuration.http);
    admin_options.connections_max = 64;
    admin_ = std::make_unique<Admin>(*shard_, configuration.gateway.name, *std::move(token));
    admin_server_ = std::make_unique<http::Server>(loop_, admin_options, *admin_);
    auto bound = admin_server_->listen(endpoint_of(configuration.gateway.admin));
    if (!bound) return std::unexpected(std::move(bound.error()));
    admin_bound_ = *bound;
    return {};
  }

  // Each client may need a site's connection as well. Without descriptors left
  // neither sites could be reached nor the journal go on.
  std::size_t connections_that_fit() {
    const std::uint64_t open_files_max = raise_open_files_max();
    const std::uint64_t fit =
        (std::max(open_files_max, kOpenFilesOfOurOwn + 2) - kOpenFilesOfOurOwn) / 2;
    const auto wanted =
        static_cast<std::uint64_t>(shard_->setting()->configuration->http.connections_max);
    if (fit < wanted) {
      log_->warning(
          "http.connections_max is lowered, for this process may not open enough files; raise "
          "its limit (ulimit -n, LimitNOFILE=)",
          {telemetry::field::count("open_files_max", static_cast<std::int64_t>(open_files_max)),
           telemetry::field::count("connections_max", static_cast<std::int64_t>(fit))});
    }
    return static_cast<std::size_t>(fit);
  }

  void install_signals() {
    for (const int signal : {SIGTERM, SIGINT}) {
      loop_.on_signal(signal, [this] { drain(); });
    }
    loop_.on_signal(SIGHUP, [this] { reload(); });
  }

  void announce() const {
    const config::Configuration& configuration = *shard_->setting()->configuration;
    const char* scheme = configuration.gateway.tls_certificate_file.empty() ? "http" : "https";
    for (const http::Endpoint& endpoint : bound_) {
      log_->info(
          "serving",
          {telemetry::field::gateway(began_with_.gateway.name),
           telemetry::field::address(fmt::format("{}://{}/v1", scheme, endpoint.to_string()))});
    }
    log_->info("admin listener", {telemetry::field::address(admin_bound_.to_string())});
  }

  void drain() {
    if (draining_) {
      // The second signal: whoever sends it has waited long enough.
      shard_->stop_all();
      loop_.stop();
      return;
    }
    draining_ = true;
    const Duration limit = shard_->setting()->configuration->gateway.drain_limit;
    log_->info("draining",
               {telemetry::field::count(
                    "open_requests", static_cast<std::int64_t>(shard_->dispatch().open_requests())),
                telemetry::field::duration("limit", limit)});
    admin_->set_draining();
    drain_limit_.emplace(loop_, [this] { shard_->stop_all(); });
    drain_limit_->arm_in(limit);
    // The server cuts what is left only after the clients have been told.
    server_->drain(limit + seconds(2), [this] {
      // Answers that were made for who might ask again: nobody can any more.
      shard_->stop_all();
      admin_server_->drain(Duration(0), [this] {
        log_->info("stopped");
        loop_.stop();
      });
    });
  }

  void reload() {
    if (const Status reopened = log_->reopen(); !reopened) {
      log_->error("the log stays where it was",
                  {telemetry::field::detail(reopened.error().message)});
    }
    const config::Loaded loaded = config::load(options_.files, surroundings());
    write_down(loaded.diagnostics, *log_);
    if (loaded.configuration == nullptr) return reload_refused("the files have errors");
    const config::Configuration& now = *shard_->setting()->configuration;
    if (const auto keys = keys_that_cannot_change(now, *loaded.configuration); !keys.empty()) {
      return reload_refused(
          fmt::format("{} cannot change while the gateway runs", fmt::join(keys, ", ")));
    }
    if (const auto keys = keys_that_wait(began_with_, *loaded.configuration); !keys.empty()) {
      log_->warning("some of the new configuration counts only after a restart",
                    {telemetry::field::detail(fmt::format("{}", fmt::join(keys, ", ")))});
    }
    auto setting = make_setting(loop_, loaded, shard_->setting().get());
    if (!setting) return reload_refused(setting.error().message);
    auto tls = listener_tls(loaded.configuration->gateway);
    if (!tls) return reload_refused(tls.error().message);
    shard_->books().archive().use((*setting)->snapshot);
    const Status kept = keep_snapshot(books_files(loaded.configuration->gateway.data_dir),
                                      loaded.configuration->digest, loaded.canonical);
    if (!kept) return reload_refused(kept.error().message);
    if (*tls != nullptr) server_->set_tls(*std::move(tls));
    trace_reload(*shard_->setting(), **setting);
    shard_->adopt(*std::move(setting));
    shard_->books().archive().set_rule(retention_rule(*loaded.configuration));
    log_->info("configuration reloaded",
               {telemetry::field::snapshot(shard_->setting()->snapshot->digest)});
  }

  void trace_reload(const Setting& before, const Setting& now) const {
    if (!log_->writes(telemetry::LogLevel::debug)) return;
    const auto kept = std::ranges::count_if(now.upstreams, [&](const auto& upstream) {
      return std::ranges::find(before.upstreams, upstream) != before.upstreams.end();
    });
    const auto count = [](telemetry::Literal what, std::size_t rows) {
      return telemetry::field::count(what, static_cast<std::int64_t>(rows));
    };
    log_->debug("configuration before", {telemetry::field::snapshot(before.snapshot->digest),
                                         count("sites", before.snapshot->fleet.sites.size()),
                                         count("keys", before.snapshot->tenants.keys.size())});
    log_->debug("configuration now", {telemetry::field::snapshot(now.snapshot->digest),
                                      count("sites", now.snapshot->fleet.sites.size()),
                                      telemetry::field::count("sites_with_connections_kept", kept),
                                      count("offers", now.snapshot->fleet.offers.size()),
                                      count("tenants", now.snapshot->tenants.tenants.size()),
                                      count("keys", now.snapshot->tenants.keys.size())});
  }

  void reload_refused(std::string_view why) {
    log_->error("the new configuration is refused, the old one stays",
                {telemetry::field::detail(why)});
  }

  ServeOptions options_;
  // What this process was started with, whatever has been reloaded since.
  const config::Configuration began_with_;
  http::Loop loop_;
  std::unique_ptr<journal::Disk> disk_ = journal::posix_disk();
  std::unique_ptr<telemetry::Log> log_;
  std::unique_ptr<Shard> shard_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Server> admin_server_;
  std::vector<http::Endpoint> bound_;
  http::Endpoint admin_bound_;
  std::optional<http::Timer> drain_limit_;
  bool draining_ = false;
};

}  // namespace

int serve(const ServeOptions& options) {
  const config::Loaded loaded = config::load(options.files, surroundings());
  if (loaded.configuration == nullptr) {
    print(loaded.diagnostics);
    return kExitConfiguration;
  }
  Process process(options, loaded);
  if (const Status started = process.start(loaded); !started) {
    fmt::print(stderr, "hanse: {}\n", started.error().message);
    return kExitFailure;
  }
  return process.run();
}

}  // namespace hanse::serve
