// `hanse drill`: what a loss would mean; with `--live`, the loss too.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "adapters/config/load.h"
#include "adapters/config/snapshot.h"
#include "adapters/config/values.h"
#include "apps/hanse/commands.h"
#include "apps/hanse/drill_live.h"
#include "apps/hanse/table.h"
#include "core/dispatch/outlook.h"
#include "core/fleet/drill_book.h"
#include "core/fleet/loss.h"
#include "drivers/serve/surroundings.h"

namespace hanse::app {
namespace {

using dispatch::Outlook;
using nlohmann::ordered_json;

// A drill that has been worked out.
struct Drill {
  const dispatch::Snapshot& snapshot;
  std::string currency;
  std::vector<fleet::Loss> losses;
  std::vector<SiteId> sites;
  std::vector<Outlook> outlooks;
};

std::vector<fleet::Loss> losses_of(const DrillOptions& options) {
  std::vector<fleet::Loss> losses;
  const auto add = [&](fleet::Loss::Kind kind, const std::vector<std::string>& names) {
    for (const std::string& name : names) losses.push_back({kind, name});
  };
  add(fleet::Loss::Kind::site, options.sites);
  add(fleet::Loss::Kind::supplier, options.suppliers);
  add(fleet::Loss::Kind::country, options.countries);
  add(fleet::Loss::Kind::law, options.laws);
  return losses;
}

std::vector<std::string> names(const dispatch::Snapshot& snapshot,
                               const std::vector<SiteId>& sites) {
  std::vector<std::string> names;
  for (const SiteId site : sites) names.push_back(snapshot.fleet.sites[site].name);
  return names;
}

std::vector<SiteId> sites_of(const dispatch::Snapshot& snapshot,
                             const std::vector<OfferId>& offers) {
  std::vector<SiteId> sites;
  for (const OfferId offer : offers) sites.push_back(snapshot.fleet.offers[offer].site);
  return sites;
}

Money price(const dispatch::Snapshot& snapshot, OfferId offer) {
  return dispatch::price_of_a_million(snapshot.fleet.offers[offer].prices);
}

// --- As JSON. --------------------------------------------------------------

ordered_json routes(const Drill& drill, const std::vector<OfferId>& offers) {
  ordered_json array = ordered_json::array();
  for (const OfferId id : offers) {
    const fleet::Offer& offer = drill.snapshot.fleet.offers[id];
    const fleet::Site& site = drill.snapshot.fleet.sites[offer.site];
    array.push_back(
        {{"site", site.name},
         {"supplier", drill.snapshot.fleet.suppliers[site.supplier].name},
         {"offer", offer.name},
         {"prompt_per_million", to_decimal_per_million(offer.prices[TokenKind::prompt])},
         {"output_per_million", to_decimal_per_million(offer.prices[TokenKind::output])},
         {"mix_per_million", to_decimal(price(drill.snapshot, id))}});
  }
  return array;
}

ordered_json json_of(const Drill& drill, const Outlook& outlook) {
  ordered_json json = {{"tenant", drill.snapshot.tenants.tenants[outlook.tenant].name},
                       {"alias", drill.snapshot.catalog.aliases[outlook.alias].name},
                       {"data", drill.snapshot.labels.print(outlook.labels)},
                       {"default", outlook.is_default},
                       {"change", dispatch::to_string(outlook.change)},
                       {"routes_before", routes(drill, outlook.before)},
                       {"routes_after", routes(drill, outlook.after)},
                       {"refused_by", ordered_json::array()}};
  for (const dispatch::Refusing& refusing : outlook.refusing) {
    json["refused_by"].push_back(
        {{"rule", refusing.rule}, {"sites", names(drill.snapshot, refusing.sites)}});
  }
  return json;
}

ordered_json json_of(const Drill& drill) {
  ordered_json json = {{"lost", ordered_json::array()},
                       {"sites_lost", names(drill.snapshot, drill.sites)},
                       {"currency", drill.currency},
                       {"requests", ordered_json::array()}};
  for (const fleet::Loss& loss : drill.losses) {
    json["lost"].push_back({{"kind", to_string(loss.kind)}, {"name", loss.name}});
  }
  for (const Outlook& outlook : drill.outlooks) {
    json["requests"].push_back(json_of(drill, outlook));
  }
  return json;
}

// --- For people. -----------------------------------------------------------

std::string_view in_words(Outlook::Change change) {
  switch (change) {
    case Outlook::Change::none: return "as before";
    case Outlook::Change::fewer_routes: return "fewer routes";
    case Outlook::Change::dearer: return "dearer";
    case Outlook::Change::refused: return "REFUSED";
    case Outlook::Change::refused_before: return "refused, as before";
  }
  return "unknown";
}

// "+28.6 %". Requires: after is not less.
std::string rise(Money before, Money after) {
  if (before == after) return "";
  if (before == Money(0)) return "from nothing";
  const __int128 more = after.count() - before.count();
  const auto per_mille =
      static_cast<std::int64_t>((more * 1'000 + before.count() / 2) / before.count());
  return fmt::format("{:+}.{} %", per_mille / 10, per_mille % 10);
}

std::vector<std::string> row(const Drill& drill, const Outlook& outlook) {
  const dispatch::Snapshot& snapshot = drill.snapshot;
  std::string data = snapshot.labels.print(outlook.labels);
  if (outlook.is_default) data += " (default)";
  const bool was_served = !outlook.before.empty();
  const bool is_served = !outlook.after.empty();
  const Money before = was_served ? price(snapshot, outlook.before.front()) : Money();
  const Money after = is_served ? price(snapshot, outlook.after.front()) : Money();
  return {snapshot.tenants.tenants[outlook.tenant].name,
          snapshot.catalog.aliases[outlook.alias].name,
          std::move(data),
          std::string(in_words(outlook.change)),
          fmt::format("{}", fmt::join(names(snapshot, sites_of(snapshot, outlook.after)), " ")),
          was_served ? to_decimal(before) : "-",
          is_served ? to_decimal(after) : "-",
          is_served ? rise(before, after) : ""};
}

std::string why_refused(const Drill& drill, const Outlook& outlook) {
  std::vector<std::string> reasons;
  for (const dispatch::Refusing& refusing : outlook.refusing) {
    reasons.push_back(fmt::format("{} ({})", refusing.rule,
                                  fmt::join(names(drill.snapshot, refusing.sites), " ")));
  }
  if (reasons.empty()) return "no other site offers it";
  return fmt::format("{}", fmt::join(reasons, ", "));
}

void print(const Drill& drill) {
  const auto count = [&](Outlook::Change change) {
    return std::ranges::count(drill.outlooks, change, &Outlook::change);
  };
  fmt::print(
      "Without {}:\n{} kinds of request: {} refused, {} dearer, {} with fewer routes, {} as "
      "before, {} refused as before.\n\n",
      fmt::join(names(drill.snapshot, drill.sites), ", "), drill.outlooks.size(),
      count(Outlook::Change::refused), count(Outlook::Change::dearer),
      count(Outlook::Change::fewer_routes), count(Outlook::Change::none),
      count(Outlook::Change::refused_before));
  Table table(
      {"TENANT", "ALIAS", "DATA", "OUTCOME", "LAWFUL SITES LEFT", "PRICE NOW", "THEN", "CHANGE"});
  for (const Outlook& outlook : drill.outlooks) table.row(row(drill, outlook));
  table.print();
  fmt::print(
      "Prices: what the cheapest lawful site is owed for a million tokens, three of the "
      "prompt to\none of the output, in {}.\n",
      drill.currency);
  std::set<std::string> told;
  for (const Outlook& outlook : drill.outlooks) {
    if (outlook.change != Outlook::Change::refused) continue;
    const std::string why =
        fmt::format("{} for {} with '{}': {}", drill.snapshot.catalog.aliases[outlook.alias].name,
                    drill.snapshot.tenants.tenants[outlook.tenant].name,
                    drill.snapshot.labels.print(outlook.labels), why_refused(drill, outlook));
    if (told.empty()) fmt::print("\nRefused, by which rules at the sites that are left:\n");
    if (told.insert(why).second) fmt::print("  {}\n", why);
  }
}

int say(const Error& error) {
  fmt::print(stderr, "hanse: {}\n", error.message);
  const bool is_input =
      error.code == ErrorCode::invalid_input || error.code == ErrorCode::not_found;
  return is_input ? kWrongInput : kFailed;
}

int end(const config::GatewayOptions& gateway, const DrillOptions& options) {
  const auto left = end_drill(gateway, losses_of(options));
  if (!left) return say(left.error());
  if (options.json) {
    fmt::print("{}\n", ordered_json({{"live", *left}}).dump(2));
  } else {
    print_drills(*left);
  }
  return kDone;
}

// The analysis and then, for real, what was analysed.
int begin(const config::GatewayOptions& gateway, const DrillOptions& options, const Drill& drill) {
  ordered_json live;
  if (options.live) {
    const auto lasts = config::parse_duration(options.lasts);
    if (!lasts || *lasts < seconds(1) || *lasts > fleet::DrillBook::kLongest) {
      return say({ErrorCode::invalid_input, Fault::client, Retry::no,
                  fmt::format("drill: --for is a time from 1s to 24h, not '{}'", options.lasts)});
    }
    auto begun = begin_drill(gateway, drill.losses, *lasts);
    if (!begun) return say(begun.error());
    live = *std::move(begun);
  }
  if (options.json) {
    ordered_json json = json_of(drill);
    if (options.live) json["live"] = std::move(live);
    fmt::print("{}\n", json.dump(2));
    return kDone;
  }
  print(drill);
  if (options.live) {
    fmt::print("\nLive:\n");
    print_drills(live);
  }
  return kDone;
}

}  // namespace

int drill(const DrillOptions& options) {
  const config::Loaded loaded = config::load(options.files, serve::surroundings());
  if (loaded.configuration == nullptr) {
    fmt::print(stderr, "{}", config::render(loaded.diagnostics, config::Colour::off));
    return kWrongInput;
  }
  const config::GatewayOptions& gateway = loaded.configuration->gateway;
  if (options.end) return end(gateway, options);
  const dispatch::SnapshotRef snapshot = config::make_snapshot(*loaded.configuration);
  Drill drill{.snapshot = *snapshot,
              .currency = gateway.currency,
              .losses = losses_of(options),
              .sites = {},
              .outlooks = {}};
  if (drill.losses.empty()) {
    return say({ErrorCode::invalid_input, Fault::client, Retry::no,
                "drill: say what is lost: --site, --supplier, --country or --law"});
  }
  const auto lost = fleet::sites_lost(snapshot->fleet, drill.losses);
  if (!lost) return say(lost.error());
  lost->for_each([&](std::size_t i) { drill.sites.push_back(SiteId(i)); });
  drill.outlooks = dispatch::outlooks_without(*snapshot, *lost, serve::wall_now());
  return begin(gateway, options, drill);
}

}  // namespace hanse::app
