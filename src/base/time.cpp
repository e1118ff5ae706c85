#include "base/time.h"

#include <fmt/format.h>

#include <cstdlib>

namespace hanse {
namespace {

struct CivilDate {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

// Days since 1970-01-01 to a proleptic Gregorian date, by eras of 400 years.
// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
CivilDate civil_from_days(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned month_index = (5 * day_of_year + 2) / 153;
  const unsigned day = day_of_year - (153 * month_index + 2) / 5 + 1;
  const unsigned month = month_index < 10 ? month_index + 3 : month_index - 9;
  const std::int64_t year =
      static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0);
  return {year, month, day};
}

}  // namespace

std::string to_string(Duration duration) {
  const std::int64_t n = duration.count();
  const double magnitude = std::abs(static_cast<double>(n));
  if (magnitude >= 60e9) return fmt::format("{:.0f} s", static_cast<double>(n) / 1e9);
  if (magnitude >= 1e9) return fmt::format("{:.3g} s", static_cast<double>(n) / 1e9);
  if (magnitude >= 1e6) return fmt::format("{:.3g} ms", static_cast<double>(n) / 1e6);
  if (magnitude >= 1e3) return fmt::format("{:.3g} us", static_cast<double>(n) / 1e3);
  return fmt::format("{} ns", n);
}

std::string to_iso8601(WallTime time) {
  constexpr std::int64_t kNanosPerDay = 86'400'000'000'000;
  std::int64_t days = time.count() / kNanosPerDay;
  std::int64_t rest = time.count() % kNanosPerDay;
  if (rest < 0) {
    rest += kNanosPerDay;
    days -= 1;
  }
  const CivilDate date = civil_from_days(days);
  const std::int64_t millis = rest / 1'000'000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", date.year, date.month, date.day,
                     millis / 3'600'000, millis / 60'000 % 60, millis / 1000 % 60, millis % 1000);
}

}  // namespace hanse
