// `hanse books`: what the books say, and whether the journal says the same.
#include <fmt/format.h>

#include <cstdint>
#include <limits>

#include <nlohmann/json.hpp>

#include "adapters/config/load.h"
#include "adapters/journal/format.h"
#include "adapters/journal/journal_reader.h"
#include "adapters/storage/balance_report.h"
#include "adapters/storage/sqlite_books.h"
#include "apps/hanse/commands.h"
#include "apps/hanse/table.h"
#include "core/ledger/audit.h"
#include "drivers/serve/books_files.h"
#include "drivers/serve/surroundings.h"

namespace hanse::app {
namespace {

using nlohmann::ordered_json;

struct Place {
  serve::BooksFiles files;
  std::string currency;
};

std::optional<Place> find_books(const Files& files) {
  const config::Loaded loaded = config::load(files, serve::surroundings());
  if (loaded.configuration == nullptr) {
    fmt::print(stderr, "{}", config::render(loaded.diagnostics, config::Colour::off));
    return std::nullopt;
  }
  const config::GatewayOptions& gateway = loaded.configuration->gateway;
  return Place{.files = serve::books_files(gateway.data_dir), .currency = gateway.currency};
}

int say(const Error& error) {
  fmt::print(stderr, "hanse: {}\n", error.message);
  return kFailed;
}

Result<std::unique_ptr<storage::SqliteBooks>> open_to_read(const Place& place) {
  auto books =
      storage::SqliteBooks::open(place.files.database.string(), storage::Database::Mode::read_only);
  if (!books) {
    books.error().message += "; `hanse books rebuild` makes the books anew out of the journal";
  }
  return books;
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, " / "));
}

ordered_json json_of(const std::vector<storage::OwedLine>& lines) {
  ordered_json array = ordered_json::array();
  for (const storage::OwedLine& line : lines) {
    array.push_back({{"name", fmt::format("{}", fmt::join(line.names, "/"))},
                     {"currency", line.currency.text()},
                     {"owed", storage::to_decimal(line.owed)}});
  }
  return array;
}

ordered_json json_of(const std::vector<storage::MarginLine>& lines) {
  ordered_json array = ordered_json::array();
  for (const storage::MarginLine& line : lines) {
    array.push_back({{"name", fmt::format("{}", fmt::join(line.names, "/"))},
                     {"currency", line.currency.text()},
                     {"charged", storage::to_decimal(line.charged)},
                     {"cost", storage::to_decimal(line.cost)},
                     {"margin", storage::to_decimal(line.margin())}});
  }
  return array;
}

ordered_json json_of(const storage::BalanceReport& report) {
  ordered_json totals = ordered_json::array();
  for (const storage::CurrencyReport& total : report.totals) {
    totals.push_back({{"currency", total.currency.text()},
                      {"receivable", storage::to_decimal(total.receivable)},
                      {"payable", storage::to_decimal(total.payable)},
                      {"revenue", storage::to_decimal(total.revenue)},
                      {"cost", storage::to_decimal(total.cost)},
                      {"written_off", storage::to_decimal(total.written_off)},
                      {"suspense_receivable", storage::to_decimal(total.suspense_receivable)},
                      {"suspense_payable", storage::to_decimal(total.suspense_payable)},
                      {"margin", storage::to_decimal(total.margin())},
                      {"debits", storage::to_decimal(total.debits)},
                      {"credits", storage::to_decimal(total.credits)}});
  }
  return {{"balanced", report.adds_up()},
          {"tenants", json_of(report.tenants)},
          {"projects", json_of(report.projects)},
          {"keys", json_of(report.keys)},
          {"suppliers", json_of(report.suppliers)},
          {"sites", json_of(report.sites)},
          {"tenant_margins", json_of(report.tenant_margins)},
          {"project_margins", json_of(report.project_margins)},
          {"key_margins", json_of(report.key_margins)},
          {"totals", totals}};
}

void add_lines(Table& table, const std::vector<storage::OwedLine>& lines) {
  for (const storage::OwedLine& line : lines) {
    table.row(
        {joined(line.names), storage::to_decimal(line.owed), std::string(line.currency.text())});
  }
}

void print(const storage::BalanceReport& report) {
  Table owed_to_us({"tenants owe", "amount", ""});
  add_lines(owed_to_us, report.tenants);
  owed_to_us.print();
  Table owed_by_us({"suppliers are owed", "amount", ""});
  add_lines(owed_by_us, report.suppliers);
  owed_by_us.print();
  for (const storage::CurrencyReport& total : report.totals) {
    Table table({"in all", "amount", ""});
    const std::string currency(total.currency.text());
    table.row({"earned", storage::to_decimal(total.revenue), currency});
    table.row({"cost", storage::to_decimal(total.cost), currency});
    if (total.written_off != 0) {
      table.row({"written off", storage::to_decimal(total.written_off), currency});
    }
    if (total.suspense_receivable != 0 || total.suspense_payable != 0) {
      table.row({"in doubt after a crash, tenants", storage::to_decimal(total.suspense_receivable),
                 currency});
      table.row({"in doubt after a crash, suppliers", storage::to_decimal(total.suspense_payable),
                 currency});
    }
    table.row({"margin", storage::to_decimal(total.margin()), currency});
    table.row({"debits less credits", storage::to_decimal(total.debits - total.credits), currency});
    table.print();
  }
  fmt::print("{}\n", report.adds_up() ? "balanced: everything sums to zero"
                                      : "NOT BALANCED: rebuild the books and verify the journal");
}

ordered_json json_of(const ledger::AuditReport& report) {
  ordered_json totals = ordered_json::array();
  for (const ledger::CurrencyTotal& total : report.totals) {
    totals.push_back({{"currency", total.currency.text()},
                      {"debits", storage::to_decimal(total.debits)},
                      {"credits", storage::to_decimal(total.credits)}});
  }
  ordered_json json = {{"good", !report.fault.has_value()},
                       {"entries", report.last.count()},
                       {"epochs", report.epochs},
                       {"seals", report.seals},
                       {"requests_charged", report.requests_charged},
                       {"requests_released", report.requests_released},
                       {"requests_refused", report.requests_refused},
                       {"requests_lost", report.requests_lost},
                       {"requests_open", report.requests_open},
                       {"attempts_paid", report.attempts_paid},
                       {"postings", report.postings},
                       {"totals", totals}};
  if (report.fault) {
    json["fault"] = {{"entry", report.fault->position.count()}, {"what", report.fault->what}};
  }
  return json;
}

}  // namespace

int books_balance(const BooksOptions& options) {
  const auto place = find_books(options.files);
  if (!place) return kWrongInput;
  auto books = open_to_read(*place);
  if (!books) return say(books.error());
  const auto report = storage::report_of(**books);
  if (!report) return say(report.error());
  if (options.json) {
    fmt::print("{}\n", json_of(*report).dump(2));
  } else {
    print(*report);
  }
  return report->adds_up() ? kDone : kFailed;
}

int books_journal(const BooksOptions& options) {
  const auto place = find_books(options.files);
  if (!place) return kWrongInput;
  auto books = open_to_read(*place);
  if (!books) return say(books.error());
  const auto disk = journal::posix_disk();
  const auto reader = journal::JournalReader::open(*disk, place->files.journal.string());
  if (!reader) return say(reader.error());
  const auto postings =
      (*books)->postings(reader->journal(), ledger::Position(options.after),
                         options.limit.value_or(std::numeric_limits<std::int64_t>::max()));
  if (!postings) return say(postings.error());

  ordered_json array = ordered_json::array();
  Table table({"entry", "time", "request", "debit", "credit", "amount"});
  for (const storage::BookedPosting& posting : *postings) {
    const storage::PostingRow& row = posting.row;
    const std::string request =
        ledger::to_string(ledger::RequestId{.journal = reader->journal(), .number = row.request});
    if (options.json) {
      array.push_back({{"entry", row.position.count()},
                       {"at", to_iso8601(row.at)},
                       {"request", request},
                       {"attempt", static_cast<int>(row.attempt)},
                       {"debit", posting.debit},
                       {"credit", posting.credit},
                       {"amount", to_decimal(row.amount)}});
    } else {
      table.row({fmt::format("{}", row.position.count()), to_iso8601(row.at), request,
                 posting.debit, posting.credit, to_decimal(row.amount)});
    }
  }
  if (options.json) {
    fmt::print("{}\n", array.dump(2));
  } else {
    table.print();
  }
  return kDone;
}

namespace {

bool is_open_elsewhere(journal::Disk& disk, const Place& place) {
  const auto lock = disk.lock((place.files.journal / journal::kLockName).string());
  return !lock && lock.error().code == ErrorCode::conflict;
}

}  // namespace

int books_verify(const BooksOptions& options) {
  const auto place = find_books(options.files);
  if (!place) return kWrongInput;
  const auto disk = journal::posix_disk();
  auto reader = journal::JournalReader::open(*disk, place->files.journal.string());
  if (!reader) return say(reader.error());
  ledger::Ledger ledger;
  const ledger::AuditReport report = ledger::audit(*reader, ledger);
  // Half a block at the end is what a gateway is writing just now, or what it
  // was writing when it was killed; only damage looks the same afterwards.
  const std::optional<std::string> torn = reader->torn();
  const bool good = !report.fault && (!torn || is_open_elsewhere(*disk, *place));
  if (options.json) {
    ordered_json json = json_of(report);
    json["good"] = good;
    json["journal"] = ledger::to_string(reader->journal());
    json["chain"] = to_hex(reader->chain());
    if (torn) json["torn"] = *torn;
    fmt::print("{}\n", json.dump(2));
    return good ? kDone : kFailed;
  }
  if (report.fault) {
    fmt::print("NOT GOOD: entry {}: {}\n", report.fault->position.count(), report.fault->what);
    return kFailed;
  }
  if (!good) {
    fmt::print(
        "NOT WHOLE: {} entries are good, but then: {}\n"
        "  A gateway that was killed may leave half a block, which its next start cuts off; "
        "if none was, this is damage.\n",
        report.last.count(), *torn);
    return kFailed;
  }
  fmt::print("good: {} entries of journal {}, chain {}\n", report.last.count(),
             ledger::to_string(reader->journal()), to_hex(reader->chain()).substr(0, 16));
  fmt::print(
      "  requests  {} charged, {} released, {} refused, {} lost in a crash, {} open; each posted "
      "once\n",
      report.requests_charged, report.requests_released, report.requests_refused,
      report.requests_lost, report.requests_open);
  fmt::print("  attempts  {} paid; every amount is its tokens at its prices\n",
             report.attempts_paid);
  for (const ledger::CurrencyTotal& total : report.totals) {
    fmt::print("  {}       debits {} = credits {}\n", total.currency.text(),
               storage::to_decimal(total.debits), storage::to_decimal(total.credits));
  }
  return kDone;
}

int books_rebuild(const BooksOptions& options) {
  const auto place = find_books(options.files);
  if (!place) return kWrongInput;
  const auto disk = journal::posix_disk();
  auto reader = journal::JournalReader::open(*disk, place->files.journal.string());
  if (!reader) return say(reader.error());
  // A gateway has its books open, and would go on writing to a file that is
  // nobody's any more.
  const auto lock = disk->lock((place->files.journal / journal::kLockName).string());
  if (!lock && lock.error().code == ErrorCode::conflict) {
    return say({ErrorCode::conflict, Fault::client, Retry::later,
                fmt::format("a gateway has the journal in {} open, and its books with it: stop the "
                            "gateway, rebuild, and start it again",
                            place->files.journal.string())});
  }
  if (!lock) return say(lock.error());

  // Beside the old books, and in their place only when whole.
  std::filesystem::path fresh = place->files.database;
  fresh += ".rebuilt";
  std::error_code ignored;
  std::filesystem::remove(fresh, ignored);
  Sha256 digest;
  {
    auto books = storage::SqliteBooks::open(fresh.string(), storage::Database::Mode::read_write);
    if (!books) return say(books.error());
    const auto last = storage::book_all(*reader, **books);
    if (!last) return say(last.error());
    const auto digested = storage::digest_of(**books);
    if (!digested) return say(digested.error());
    digest = *digested;
  }
  std::error_code trouble;
  for (const char* suffix : {"-wal", "-shm"}) {
    std::filesystem::path beside = place->files.database;
    beside += suffix;
    std::filesystem::remove(beside, ignored);
  }
  std::filesystem::rename(fresh, place->files.database, trouble);
  if (trouble) {
    return say({ErrorCode::unavailable, Fault::us, Retry::no,
                fmt::format("{} cannot take the place of the old books: {}", fresh.string(),
                            trouble.message())});
  }
  if (options.json) {
    const ordered_json done = {{"database", place->files.database.string()},
                               {"entries", reader->position().count()},
                               {"digest", to_hex(digest)}};
    fmt::print("{}\n", done.dump(2));
  } else {
    fmt::print("rebuilt {} out of {} entries, digest {}\n", place->files.database.string(),
               reader->position().count(), to_hex(digest).substr(0, 16));
  }
  return kDone;
}

}  // namespace hanse::app
