#include "core/fleet/country.h"

#include <algorithm>
#include <utility>

namespace hanse::fleet {
namespace {

// Reads "AD AE AF": two letters and a blank each.
template <std::size_t N>
constexpr std::array<Code, N> codes(std::string_view text) {
  std::array<Code, N> list;
  for (std::size_t i = 0; i < N; ++i) list[i] = Code(text.substr(3 * i, 2));
  return list;
}

// ISO 3166-1: all 249 codes that are officially assigned, rising.
constexpr auto kCountries = codes<249>(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
    "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
    "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
    "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS YE YT ZA ZM ZW");

constexpr auto kUnion =
    codes<27>("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK");

// The Union with Iceland, Liechtenstein and Norway.
constexpr auto kEconomicArea = codes<30>(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK");

constexpr auto kFreeTrade = codes<4>("CH IS LI NO");

static_assert(std::ranges::is_sorted(kCountries) && std::ranges::is_sorted(kUnion));

// Territories with a code of their own, rising, and the state whose law
// reaches into them.
constexpr std::array<std::pair<Code, Code>, 51> kSovereigns = {
    {{Code("AI"), Code("GB")}, {Code("AS"), Code("US")}, {Code("AW"), Code("NL")},
     {Code("AX"), Code("FI")}, {Code("BL"), Code("FR")}, {Code("BM"), Code("GB")},
     {Code("BQ"), Code("NL")}, {Code("BV"), Code("NO")}, {Code("CC"), Code("AU")},
     {Code("CK"), Code("NZ")}, {Code("CW"), Code("NL")}, {Code("CX"), Code("AU")},
     {Code("FK"), Code("GB")}, {Code("FO"), Code("DK")}, {Code("GF"), Code("FR")},
     {Code("GG"), Code("GB")}, {Code("GI"), Code("GB")}, {Code("GL"), Code("DK")},
     {Code("GP"), Code("FR")}, {Code("GS"), Code("GB")}, {Code("GU"), Code("US")},
     {Code("HK"), Code("CN")}, {Code("HM"), Code("AU")}, {Code("IM"), Code("GB")},
     {Code("IO"), Code("GB")}, {Code("JE"), Code("GB")}, {Code("KY"), Code("GB")},
     {Code("MF"), Code("FR")}, {Code("MO"), Code("CN")}, {Code("MP"), Code("US")},
     {Code("MQ"), Code("FR")}, {Code("MS"), Code("GB")}, {Code("NC"), Code("FR")},
     {Code("NF"), Code("AU")}, {Code("NU"), Code("NZ")}, {Code("PF"), Code("FR")},
     {Code("PM"), Code("FR")}, {Code("PN"), Code("GB")}, {Code("PR"), Code("US")},
     {Code("RE"), Code("FR")}, {Code("SH"), Code("GB")}, {Code("SJ"), Code("NO")},
     {Code("SX"), Code("NL")}, {Code("TC"), Code("GB")}, {Code("TF"), Code("FR")},
     {Code("TK"), Code("NZ")}, {Code("UM"), Code("US")}, {Code("VG"), Code("GB")},
     {Code("VI"), Code("US")}, {Code("WF"), Code("FR")}, {Code("YT"), Code("FR")}}};
static_assert(std::ranges::is_sorted(kSovereigns));

constexpr std::array<std::string_view, 3> kAreas = {"EU", "EEA", "EFTA"};

}  // namespace

std::optional<Code> parse_country(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  const Code code(text);
  if (!std::ranges::binary_search(kCountries, code)) return std::nullopt;
  return code;
}

std::optional<std::span<const Code>> countries_of(std::string_view country_or_area) {
  if (country_or_area == "EU") return kUnion;
  if (country_or_area == "EEA") return kEconomicArea;
  if (country_or_area == "EFTA") return kFreeTrade;
  const auto country = parse_country(country_or_area);
  if (!country) return std::nullopt;
  return std::span<const Code>(&*std::ranges::lower_bound(kCountries, *country), 1);
}

bool is_eu_member(Code country) { return std::ranges::binary_search(kUnion, country); }

std::optional<Code> sovereign_of(Code territory) {
  const auto it =
      std::ranges::lower_bound(kSovereigns, territory, {}, &std::pair<Code, Code>::first);
  if (it == kSovereigns.end() || it->first != territory) return std::nullopt;
  return it->second;
}

std::span<const std::string_view> known_areas() { return kAreas; }

std::span<const Code> known_countries() { return kCountries; }

}  // namespace hanse::fleet
