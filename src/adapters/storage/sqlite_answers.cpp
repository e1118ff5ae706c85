// The questions that SqliteBooks answers.
#include <map>

#include "adapters/storage/sqlite_books.h"
#include "adapters/storage/sqlite_rows.h"

namespace hanse::storage {
namespace {

using ledger::Position;

std::unexpected<Error> broken() {
  return fail({ErrorCode::broken, Fault::us, Retry::no,
               "the books hold a sum that is no number; rebuild them from the journal"});
}

// Calls `each(statement)` for every row; it returns a Status.
template <typename Each>
Status for_each_row(Statement& statement, Each&& each) {
  for (;;) {
    const auto row = statement.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    if (Status done = each(statement); !done) {
      statement.reset();
      return done;
    }
  }
}

BookedPosting booked_posting(const Statement& row) {
  return {.row = take_posting(row),
          .debit = row.text(kPostingColumns),
          .credit = row.text(kPostingColumns + 1)};
}

constexpr std::string_view kPostings =
    "SELECT p.*, d.path, c.path FROM postings p "
    "JOIN accounts d ON d.journal = p.journal AND d.account = p.debit "
    "JOIN accounts c ON c.journal = p.journal AND c.account = p.credit ";

}  // namespace

Result<std::vector<BookedBalance>> SqliteBooks::balances() {
  auto ask = database_.prepare(
      "SELECT a.*, b.debits_nano, b.credits_nano FROM accounts a "
      "JOIN balances b ON b.journal = a.journal AND b.account = a.account");
  if (!ask) return std::unexpected(std::move(ask.error()));
  std::map<std::string, BookedBalance> by_path;
  const auto done = for_each_row(*ask, [&](const Statement& row) -> Status {
    const auto account = take_account(row);
    if (!account) return std::unexpected(account.error());
    const auto debits = sum_of_digits(row.text(kAccountColumns));
    const auto credits = sum_of_digits(row.text(kAccountColumns + 1));
    if (!debits || !credits) return broken();
    BookedBalance& sum = by_path[account->path];
    sum.path = account->path;
    sum.kind = account->kind;
    sum.currency = account->currency;
    sum.debits += *debits;
    sum.credits += *credits;
    return {};
  });
  if (!done) return std::unexpected(done.error());
  std::vector<BookedBalance> all;
  for (auto& [path, balance] : by_path) all.push_back(std::move(balance));
  return all;
}

Result<std::vector<BookedCost>> SqliteBooks::costs() {
  // Summed in two halves, for SQLite's integers have 64 bits.
  auto ask = database_.prepare(
      "SELECT k.path, s.path, count(*), "
      "sum(a.owed_nano / 1000000000), sum(a.owed_nano % 1000000000), "
      "sum(a.in_doubt_nano / 1000000000), sum(a.in_doubt_nano % 1000000000) "
      "FROM attempts a "
      "JOIN requests r ON r.journal = a.journal AND r.epoch = a.epoch AND r.sequence = a.sequence "
      "JOIN accounts k ON k.journal = r.journal AND k.account = r.receivable "
      "JOIN accounts s ON s.journal = a.journal AND s.account = a.payable "
      "GROUP BY k.path, s.path ORDER BY k.path, s.path");
  if (!ask) return std::unexpected(std::move(ask.error()));
  std::vector<BookedCost> all;
  const auto done = for_each_row(*ask, [&](const Statement& row) -> Status {
    const auto sum = [&row](int column) {
      return static_cast<ledger::Sum>(row.number(column)) * kNanosPerUnit + row.number(column + 1);
    };
    all.push_back({.receivable = row.text(0),
                   .payable = row.text(1),
                   .attempts = row.number(2),
                   .owed = sum(3),
                   .in_doubt = sum(5)});
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return all;
}

Result<std::vector<BookedPosting>> SqliteBooks::postings(const ledger::JournalId& journal,
                                                         Position after, std::size_t limit) {
  std::vector<BookedPosting> all;
  const auto number = number_of(journal);
  if (!number) return std::unexpected(number.error());
  if (!*number) return all;
  auto ask = database_.prepare(std::string(kPostings) +
                               "WHERE p.journal = ? AND p.position > ? "
                               "ORDER BY p.position, p.line LIMIT ?");
  if (!ask) return std::unexpected(std::move(ask.error()));
  ask->bind(1, **number).bind(2, after.count()).bind(3, static_cast<std::int64_t>(limit));
  const auto done = for_each_row(*ask, [&](const Statement& row) -> Status {
    all.push_back(booked_posting(row));
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return all;
}

Result<std::optional<BookedRequest>> SqliteBooks::request(const ledger::RequestId& id) {
  const auto journal = number_of(id.journal);
  if (!journal) return std::unexpected(journal.error());
  if (!*journal) return std::nullopt;
  const auto about = [&](Result<Statement>& ask) {
    ask->bind(1, **journal).bind(2, id.number.epoch.count()).bind(3, id.number.sequence);
  };
  auto ask = database_.prepare(
      "SELECT r.*, k.path FROM requests r "
      "JOIN accounts k ON k.journal = r.journal AND k.account = r.receivable "
      "WHERE r.journal = ? AND r.epoch = ? AND r.sequence = ?");
  if (!ask) return std::unexpected(std::move(ask.error()));
  about(ask);
  std::optional<BookedRequest> request;
  auto done = for_each_row(*ask, [&](const Statement& row) -> Status {
    const auto found = take_request(row);
    if (!found) return std::unexpected(found.error());
    request = {
        .row = *found, .receivable = row.text(kRequestColumns), .attempts = {}, .postings = {}};
    return {};
  });
  if (!done) return std::unexpected(done.error());
  if (!request) return request;

  ask = database_.prepare(
      "SELECT a.*, s.path FROM attempts a "
      "JOIN accounts s ON s.journal = a.journal AND s.account = a.payable "
      "WHERE a.journal = ? AND a.epoch = ? AND a.sequence = ? ORDER BY a.attempt");
  if (!ask) return std::unexpected(std::move(ask.error()));
  about(ask);
  done = for_each_row(*ask, [&](const Statement& row) -> Status {
    const auto found = take_attempt(row);
    if (!found) return std::unexpected(found.error());
    request->attempts.push_back({.row = *found, .payable = row.text(kAttemptColumns)});
    return {};
  });
  if (!done) return std::unexpected(done.error());

  // A request's postings stand between its first entry and its last.
  ask = database_.prepare(std::string(kPostings) +
                          "WHERE p.journal = ? AND p.epoch = ? AND p.sequence = ? "
                          "AND p.position BETWEEN ? AND ? ORDER BY p.position, p.line");
  if (!ask) return std::unexpected(std::move(ask.error()));
  about(ask);
  ask->bind(4, request->row.opened.count()).bind(5, request->row.closed.count());
  done = for_each_row(*ask, [&](const Statement& row) -> Status {
    request->postings.push_back(booked_posting(row));
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return request;
}

Status SqliteBooks::dump(const std::function<void(std::string_view)>& to) {
  auto journals =
      database_.prepare("SELECT id, position, at_unix_ns, journal FROM journals ORDER BY id");
  if (!journals) return std::unexpected(std::move(journals.error()));
  return for_each_row(*journals, [&](const Statement& found) -> Status {
    const auto id = ledger::parse_journal_id(found.text(0));
    if (!id) return std::unexpected(id.error());
    to(to_line(*id, Position(found.number(1)), WallTime(found.number(2))));
    const std::int64_t journal = found.number(3);
    const auto rows = [&](std::string_view sql, auto&& each) -> Status {
      auto ask = database_.prepare(sql);
      if (!ask) return std::unexpected(std::move(ask.error()));
      ask->bind(1, journal);
      return for_each_row(*ask, each);
    };
    Status done = rows(
        "SELECT a.*, b.debits_nano, b.credits_nano FROM accounts a "
        "JOIN balances b ON b.journal = a.journal AND b.account = a.account "
        "WHERE a.journal = ? ORDER BY a.account",
        [&](const Statement& row) -> Status {
          const auto account = take_account(row);
          if (!account) return std::unexpected(account.error());
          const auto debits = sum_of_digits(row.text(kAccountColumns));
          const auto credits = sum_of_digits(row.text(kAccountColumns + 1));
          if (!debits || !credits) return broken();
          to(to_line(*account,
                     {.account = account->number, .debits = *debits, .credits = *credits}));
          return {};
        });
    if (!done) return done;
    done = rows("SELECT * FROM postings WHERE journal = ? ORDER BY position, line",
                [&](const Statement& row) -> Status {
                  to(to_line(take_posting(row)));
                  return {};
                });
    if (!done) return done;
    done = rows("SELECT * FROM attempts WHERE journal = ? ORDER BY epoch, sequence, attempt",
                [&](const Statement& row) -> Status {
                  const auto attempt = take_attempt(row);
                  if (!attempt) return std::unexpected(attempt.error());
                  to(to_line(*attempt));
                  return {};
                });
    if (!done) return done;
    return rows("SELECT * FROM requests WHERE journal = ? ORDER BY epoch, sequence",
                [&](const Statement& row) -> Status {
                  const auto request = take_request(row);
                  if (!request) return std::unexpected(request.error());
                  to(to_line(*request));
                  return {};
                });
  });
}

}  // namespace hanse::storage
