#include "drivers/serve/site_list.h"

#include <nlohmann/json.hpp>

namespace hanse::serve {
namespace {

using nlohmann::ordered_json;

ordered_json engine_json(const fleet::SignBook::Told& told, MonotonicTime now) {
  ordered_json engine = {
      {"running", told.sign.running}, {"waiting", told.sign.waiting}, {"others", told.others}};
  if (told.sign.kv_use_ppm) engine["kv_cache_use"] = *told.sign.kv_use_ppm / 1e6;
  engine["told_ago_ns"] = elapsed(told.at, now).count();
  engine["counts_percent"] = told.weight / 10'000;
  return engine;
}

}  // namespace

std::string write_sites(const dispatch::Dispatch& dispatch, MonotonicTime now) {
  ordered_json sites = ordered_json::array();
  dispatch.snapshot().fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    if (site.retired) return;
    ordered_json row = {{"site", site.name},
                        {"circuit", to_string(dispatch.health_of(id).circuit)},
                        {"attempts_open", dispatch.attempts_at(id)}};
    if (const auto* told = dispatch.sign_of(id)) row["engine"] = engine_json(*told, now);
    sites.push_back(std::move(row));
  });
  return ordered_json({{"sites", std::move(sites)}}).dump(2) + "\n";
}

}  // namespace hanse::serve
