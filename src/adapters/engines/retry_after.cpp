#include "adapters/engines/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/ascii.h"

namespace hanse::engines {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

Duration bounded(std::int64_t wait_seconds) {
  return seconds(std::clamp<std::int64_t>(wait_seconds, 0, kSecondsPerDay));
}

// Whole seconds, rounded up; a number too large for 64 bits is large.
std::optional<Duration> read_seconds(std::string_view value) {
  const std::size_t digits = std::min(value.find_first_not_of("0123456789"), value.size());
  if (digits == 0) return std::nullopt;
  const std::string_view fraction = value.substr(digits);
  const bool is_fraction = fraction.size() > 1 && fraction.front() == '.' &&
                           fraction.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if (!fraction.empty() && !is_fraction) return std::nullopt;
  std::int64_t whole = kSecondsPerDay;
  std::from_chars(value.data(), value.data() + digits, whole);
  const bool above = is_fraction && fraction.find_first_not_of('0', 1) != std::string_view::npos;
  return bounded(std::min(whole, kSecondsPerDay) + (above ? 1 : 0));
}

struct Date {
  std::int64_t year = 0;
  std::int64_t month = 0;
  std::int64_t day = 0;
  std::int64_t second_of_day = 0;
};

std::optional<std::int64_t> read_digits(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.starts_with('-')) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::int64_t> read_month(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const it = std::ranges::find(kMonths, name);
  if (it == kMonths.end()) return std::nullopt;
  return it - kMonths.begin() + 1;
}

std::optional<std::int64_t> read_time(std::string_view text) {
  if (text.size() != 8 || text[2] != ':' || text[5] != ':') return std::nullopt;
  const auto hour = read_digits(text.substr(0, 2));
  const auto minute = read_digits(text.substr(3, 2));
  const auto second = read_digits(text.substr(6, 2));
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  return *hour * 3600 + *minute * 60 + *second;
}

std::optional<Date> date_of(std::string_view year, std::string_view month, std::string_view day,
                            std::string_view time) {
  while (day.starts_with(' ')) day.remove_prefix(1);
  const auto y = read_digits(year);
  const auto m = read_month(month);
  const auto d = read_digits(day);
  const auto t = read_time(time);
  if (!y || !m || !d || !t || *d < 1 || *d > 31) return std::nullopt;
  return Date{*y, *m, *d, *t};
}

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
// "Sun Nov  6 08:49:37 1994".
std::optional<Date> read_date(std::string_view text) {
  if (const std::size_t comma = text.find(", "); comma != std::string_view::npos) {
    text.remove_prefix(comma + 2);
    if (!text.ends_with(" GMT")) return std::nullopt;
    text.remove_suffix(4);
    if (text.size() == 20) {
      return date_of(text.substr(7, 4), text.substr(3, 3), text.substr(0, 2), text.substr(12));
    }
    if (text.size() != 18) return std::nullopt;
    auto date = date_of(text.substr(7, 2), text.substr(3, 3), text.substr(0, 2), text.substr(10));
    // The standard: more than 50 years ahead means the past. Near enough.
    if (date) date->year += date->year < 70 ? 2000 : 1900;
    return date;
  }
  if (text.size() != 24) return std::nullopt;
  return date_of(text.substr(20), text.substr(4, 3), text.substr(8, 2), text.substr(11, 8));
}

// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

}  // namespace

std::optional<Duration> read_retry_after(std::string_view value, WallTime now) {
  value = trimmed(value);
  if (value.empty() || value.size() > 64) return std::nullopt;
  if (const auto wait = read_seconds(value)) return wait;
  const auto date = read_date(value);
  if (!date) return std::nullopt;
  const std::int64_t then =
      days_from_civil(date->year, date->month, date->day) * kSecondsPerDay + date->second_of_day;
  constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
  return bounded(then - now.count() / kNanosPerSecond);
}

}  // namespace hanse::engines
