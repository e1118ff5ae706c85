#include "drivers/serve/drills.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace hanse::serve {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kOrderBytesMax = std::size_t{64} << 10U;
constexpr std::array kKinds = {fleet::Loss::Kind::site, fleet::Loss::Kind::supplier,
                               fleet::Loss::Kind::country, fleet::Loss::Kind::law};

Status add_names(DrillOrder& order, fleet::Loss::Kind kind, const ordered_json& value) {
  const auto add = [&](const ordered_json& name) {
    if (name.is_string()) order.losses.push_back({kind, name.get<std::string>()});
    return name.is_string();
  };
  const bool good = value.is_array() ? std::ranges::all_of(value, add) : add(value);
  if (good) return {};
  return invalid_input(fmt::format("a drill: `{}` is a name or a list of names", to_string(kind)));
}

Status read_length(DrillOrder& order, const ordered_json& value) {
  constexpr std::int64_t kLongest = fleet::DrillBook::kLongest.count() / seconds(1).count();
  const bool is_whole = value.is_number_unsigned() && value.get<std::uint64_t>() <= kLongest;
  if (!is_whole || value.get<std::int64_t>() == 0) {
    return invalid_input(
        fmt::format("a drill: `lasts_seconds` is a whole number from 1 to {}", kLongest));
  }
  order.lasts = seconds(value.get<std::int64_t>());
  return {};
}

Status read_member(DrillOrder& order, const std::string& key, const ordered_json& value) {
  if (key == "lasts_seconds") return read_length(order, value);
  const auto* const kind =
      std::ranges::find(kKinds, key, [](fleet::Loss::Kind k) { return to_string(k); });
  if (kind != kKinds.end()) return add_names(order, *kind, value);
  return invalid_input(
      "a drill: there are `site`, `supplier`, `country`, `law` and `lasts_seconds`, and nothing "
      "else");
}

}  // namespace

Result<DrillOrder> read_drill_order(std::string_view text) {
  DrillOrder order;
  if (text.empty()) return order;
  if (text.size() > kOrderBytesMax) return invalid_input("a drill: too much is said");
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  if (!json.is_object()) return invalid_input("a drill is told as a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (auto good = read_member(order, key, value); !good) {
      return std::unexpected(std::move(good.error()));
    }
  }
  return order;
}

std::string write_drills(const dispatch::Dispatch& dispatch, MonotonicTime now) {
  ordered_json drills = ordered_json::array();
  dispatch.snapshot().fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    const auto ends = dispatch.drill_ends(id, now);
    if (!ends) return;
    const std::int64_t left = elapsed(now, *ends).count() + seconds(1).count() - 1;
    drills.push_back({{"site", site.name}, {"ends_in_seconds", left / seconds(1).count()}});
  });
  return ordered_json({{"drills", std::move(drills)}}).dump(2) + "\n";
}

}  // namespace hanse::serve
