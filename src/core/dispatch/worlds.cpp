// How Dispatch puts a snapshot to work: lines, accounts, budgets, and what is
// taken over from the world before.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/check.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {
namespace {

// The ledger sums in 128 bits; a budget is compared in 64.
Money clamped(ledger::Sum sum) {
  constexpr ledger::Sum kMax = std::numeric_limits<std::int64_t>::max();
  return Money(static_cast<std::int64_t>(std::clamp(sum, ledger::Sum{0}, kMax)));
}

// Who has no budget has a line all the same: a snapshot may set one later, and
// what is held and spent until then counts towards it.
constexpr Money kNoBudget{std::numeric_limits<std::int64_t>::max() / 2};

// From the ids of one table to those of another that has the same names; not
// valid where a name is gone.
template <typename Id, typename Row>
std::vector<Id> ids_by_name(const Table<Id, Row>& before, const Table<Id, Row>& now) {
  std::vector<Id> ids;
  ids.reserve(before.size());
  for (const Row& row : before) ids.push_back(now.find(row.name).value_or(Id()));
  return ids;
}

void take_over(World& world, const World& before) {
  const fleet::Fleet& fleet = world.snapshot->fleet;
  const fleet::Fleet& fleet_before = before.snapshot->fleet;
  fleet.offers.for_each([&](OfferId offer, const fleet::Offer& row) {
    if (const auto known = fleet_before.offers.find(row.name)) {
      world.placement.loads().adopt(offer, before.placement.loads().of(*known));
    }
  });
  const Snapshot& now = *world.snapshot;
  const Snapshot& then = *before.snapshot;
  world.placement.learned().adopt(before.placement.learned(),
                                  ids_by_name(then.tenants.tenants, now.tenants.tenants),
                                  ids_by_name(then.catalog.aliases, now.catalog.aliases),
                                  ids_by_name(then.fleet.sites, now.fleet.sites));
}

}  // namespace

class Dispatch::Sink final : public ledger::EntrySink {
 public:
  explicit Sink(Dispatch& dispatch) : dispatch_(dispatch) {}

  ledger::Position append(const ledger::Entry& entry) override {
    dispatch_.emit(Append{.entry = entry, .closes = std::nullopt});
    return dispatch_.ledger_.position();
  }

 private:
  Dispatch& dispatch_;
};

std::shared_ptr<World> Dispatch::make_world(SnapshotRef snapshot, const World* before,
                                            Instant now) {
  auto placement =
      placement::Placement::create(snapshot->catalog, snapshot->fleet, snapshot->strategy);
  // The configuration has checked the strategy's name.
  HANSE_CHECK(placement.has_value());
  auto world = std::make_shared<World>(std::move(snapshot), *std::move(placement));
  if (before != nullptr) take_over(*world, *before);
  find_lines(*world);
  register_accounts(*world, now);
  find_budgets(*world);
  return world;
}

void Dispatch::find_lines(World& world) {
  world.snapshot->fleet.sites.for_each([&](SiteId site, const fleet::Site& row) {
    const fleet::SiteLine line = slots_.set(row.name, row.slots * (1 + options_.waiting_per_slot));
    world.stands_at(site, line);
    health_.know(line, fleet::domains_of(world.snapshot->fleet, site));
    if (line.value() >= attempts_at_.size()) attempts_at_.resize(line.value() + 1, 0);
  });
  world.snapshot->fleet.offers.for_each([&](OfferId offer, const fleet::Offer& row) {
    world.stands_at(offer, missing_models_.line(row.name));
  });
  for (const catalog::LatencyClass& row : world.snapshot->catalog.classes) {
    world.hedge_lines.push_back(hedges_.line(row.name));
  }
}

void Dispatch::count_in_newest_world(Request& request) {
  if (request.world == world_ || !request.attempt_is_open()) return;
  request.for_each_under_way([&](UnderWay& attempt) {
    if (attempt.twin) return;
    const placement::Candidate& chosen = request.record.attempts[attempt.index].decision.best[0];
    const std::string& name = request.world->snapshot->fleet.offers[chosen.offer].name;
    const auto offer = world_->snapshot->fleet.offers.find(name);
    if (!offer) return;  // nobody can be sent there any more
    attempt.twin = std::make_unique<Twin>(*world_, *offer, chosen.prediction,
                                          request.state == State::answering);
  });
}

void Dispatch::leave_newest_world(Request& request, Instant now) {
  request.for_each_under_way([&](UnderWay& attempt) {
    if (attempt.twin) attempt.twin->left(*world_, now.monotonic);
    attempt.twin.reset();
  });
}

void Dispatch::forget_old_world(Request& ended, Instant now) const {
  constexpr Duration kKept = seconds(60);
  const MonotonicTime end = ended.record.arrived_at.monotonic + ended.record.took;
  if (ended.world != world_ && elapsed(end, now.monotonic) > kKept) ended.world.reset();
}

void Dispatch::register_accounts(World& world, Instant now) {
  Sink sink(*this);
  const auto number = [&](const Result<ledger::AccountPath>& path, ledger::AccountKind kind) {
    // Names are checked by the configuration, and room for them by its bounds.
    HANSE_CHECK(path.has_value());
    const auto account = ledger_.account_for(*path, kind, options_.currency, now.wall, sink);
    HANSE_CHECK(account.has_value());
    return *account;
  };
  const Snapshot& snapshot = *world.snapshot;
  for (const limits::Key& key : snapshot.tenants.keys) {
    const limits::Project& project = snapshot.tenants.projects[key.project];
    const limits::Tenant& tenant = snapshot.tenants.tenants[key.tenant];
    const std::string project_word = project.name.substr(tenant.name.size() + 1);
    const std::string key_word = key.name.substr(project.name.size() + 1);
    world.receivables.push_back(
        number(ledger::receivable_path(tenant.name, project_word, key_word, options_.currency),
               ledger::AccountKind::receivable));
  }
  for (const fleet::Site& site : snapshot.fleet.sites) {
    const std::string& supplier = snapshot.fleet.suppliers[site.supplier].name;
    world.payables.push_back(number(ledger::payable_path(supplier, site.name, options_.currency),
                                    ledger::AccountKind::payable));
  }
}

// Sums the accounts below each owner once, however many keys it has: there may
// be as many as there are people.
void Dispatch::find_budgets(World& world) {
  const limits::Tenants& tenants = world.snapshot->tenants;
  const auto lines_of = [&](const auto& rows, std::string_view level) {
    std::vector<ledger::BudgetLine> lines;
    lines.reserve(rows.size());
    for (const auto& row : rows) {
      const ledger::Sum spent =
          ledger_.balance_below("receivable/" + row.name + "/", options_.currency);
      lines.push_back(budget_.set(std::string(level) + row.name, row.budget.value_or(kNoBudget),
                                  clamped(spent)));
    }
    return lines;
  };
  const auto of_tenants = lines_of(tenants.tenants, "tenant ");
  const auto of_projects = lines_of(tenants.projects, "project ");
  const auto of_keys = lines_of(tenants.keys, "key ");
  tenants.keys.for_each([&](KeyId id, const limits::Key& key) {
    world.budget_scopes.push_back({.tenant = of_tenants[key.tenant.value()],
                                   .project = of_projects[key.project.value()],
                                   .key = of_keys[id.value()]});
  });
}

}  // namespace hanse::dispatch
