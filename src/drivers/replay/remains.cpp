#include "drivers/replay/remains.h"

#include <algorithm>
#include <map>
#include <set>
#include <variant>

#include <fmt/format.h>

#include "core/ledger/entry_stream.h"
#include "core/ledger/ledger.h"

namespace hanse::replay {
namespace {

class Keeping final : public ledger::EntrySink {
 public:
  explicit Keeping(std::vector<ledger::Entry>& entries) : entries_(entries) {}

  ledger::Position append(const ledger::Entry& entry) override {
    entries_.push_back(entry);
    return ledger::Position(static_cast<std::int64_t>(entries_.size()));
  }

 private:
  std::vector<ledger::Entry>& entries_;
};

std::string name(ledger::RequestNumber request) {
  return fmt::format("request {} of epoch {}", request.sequence, request.epoch.count());
}

// What was seen outside stands in the journal.
void look_at_open(const Remains::Open& open, const ledger::Ledger& books,
                  std::vector<std::string>& complaints) {
  const auto held = books.find_request(open.request);
  if (!held) return;  // it has ended, if only in the journal
  if (held->last_attempt < open.attempt) {
    complaints.push_back(name(open.request) + " had a site asked that the journal does not know");
  }
  const Tokens left = std::min(open.left, open.most);
  if (left > held->progress.may_leave[TokenKind::output]) {
    complaints.push_back(name(open.request) + " had more tokens leave than the watermark says");
  }
  if (left < held->progress.confirmed[TokenKind::output]) {
    complaints.push_back(name(open.request) + " has tokens confirmed that have not left");
  }
}

}  // namespace

Recovered recover(const Remains& remains, WallTime at) {
  Recovered recovered{.journal = remains.journal, .complaints = {}};
  std::vector<std::string>& complaints = recovered.complaints;
  ledger::Ledger books;
  std::set<ledger::RequestNumber> known;
  std::map<ledger::RequestNumber, TokenPrices> prices;
  for (const ledger::Entry& entry : remains.journal) {
    if (const auto applied = books.apply(entry); !applied) {
      complaints.push_back("the journal cannot be read again: " + applied.error().message);
      return recovered;
    }
    if (const auto* hold = std::get_if<ledger::HoldOpened>(&entry.body)) {
      known.insert(hold->request);
      prices.emplace(hold->request, hold->prices);
    }
    if (const auto* refused = std::get_if<ledger::RequestRefused>(&entry.body)) {
      known.insert(refused->request);
    }
  }
  for (const ledger::RequestNumber request : remains.told) {
    if (!known.contains(request) || books.is_open(request)) {
      complaints.push_back(name(request) + " had its end told before it was written");
    }
  }
  for (const Remains::Open& open : remains.open) {
    if (open.attempt > ledger::AttemptNumber{} && !known.contains(open.request)) {
      complaints.push_back(name(open.request) + " had a site asked that the journal does not know");
    }
    look_at_open(open, books, complaints);
  }

  const ledger::Entry begin{
      .at = at,
      .body = ledger::EpochStarted{.epoch = ledger::Epoch(books.epoch().count() + 1),
                                   .machine_boot = {}}};
  if (const auto applied = books.apply(begin); !applied) {
    complaints.push_back("no new epoch can begin: " + applied.error().message);
    return recovered;
  }
  recovered.journal.push_back(begin);
  const std::size_t before = recovered.journal.size();
  Keeping sink(recovered.journal);
  books.close_open_requests_after_crash(at, sink);
  std::map<ledger::RequestNumber, Tokens> left;
  for (const Remains::Open& open : remains.open) left.emplace(open.request, open.left);
  for (std::size_t i = before; i < recovered.journal.size(); ++i) {
    const auto* lost = std::get_if<ledger::RequestLost>(&recovered.journal[i].body);
    if (lost == nullptr) continue;
    TokenCounts delivered;
    delivered[TokenKind::output] = left[lost->request];
    if (lost->charged > cost(delivered, prices[lost->request])) {
      complaints.push_back(name(lost->request) + " is charged for more than has left");
    }
  }
  if (books.open_requests() != 0 || books.open_attempts() != 0) {
    complaints.emplace_back("the recovery leaves something open");
  }
  for (const ledger::Currency currency : books.currencies()) {
    if (books.imbalance(currency) != 0) {
      complaints.emplace_back("the accounts do not sum to zero after the recovery");
    }
  }
  return recovered;
}

}  // namespace hanse::replay
