// src/adapters/telemetry/metric_registry.h
// Counters, gauges and histograms of one shard, and their text for Prometheus.
//
// Whoever counts resolves a handle once (family and label values), and then
// pays one addition. No locks and no atomics: one thread counts, and the same
// thread answers the scrape.
//
// Values are integers of a power of ten of the unit in the metric's name:
// nanoseconds of `_seconds`, nano-units of a currency. So sums are exact and
// printed exactly.
//
// Series are never removed while the process lives: counters must not fall.
// Each family holds at most `series_max`; what comes after shares one series
// whose labels all say "other", and is counted in hanse_metric_overflows_total.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"

namespace hanse::telemetry {

using FamilyId = Index<struct MetricFamilyTag>;

// Handles are small, copied freely, and live as long as their registry. One
// that was never resolved may not be used.
class Counter {
 public:
  Counter() = default;

  void add(std::uint64_t count = 1) { *cell_ += count; }
  // For a total that somebody else keeps: never below what it was.
  void set_total(std::uint64_t total) {
    if (total > *cell_) *cell_ = total;
  }
  [[nodiscard]] std::uint64_t value() const { return *cell_; }
  [[nodiscard]] bool resolved() const { return cell_ != nullptr; }

 private:
  friend class MetricRegistry;
  explicit Counter(std::uint64_t* cell) : cell_(cell) {}

  std::uint64_t* cell_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;

  void set(std::int64_t value) { *cell_ = static_cast<std::uint64_t>(value); }
  [[nodiscard]] std::int64_t value() const { return static_cast<std::int64_t>(*cell_); }
  [[nodiscard]] bool resolved() const { return cell_ != nullptr; }

 private:
  friend class MetricRegistry;
  explicit Gauge(std::uint64_t* cell) : cell_(cell) {}

  std::uint64_t* cell_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;

  void observe(std::int64_t value) {
    std::size_t bucket = 0;
    // Few bounds, all looked at: no branch to mispredict.
    for (std::size_t i = 0; i < bounds_; ++i) bucket += static_cast<std::size_t>(value > bound_[i]);
    cells_[bucket] += 1;
    cells_[bounds_ + 1] += static_cast<std::uint64_t>(value);
  }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= bounds_; ++i) count += cells_[i];
    return count;
  }
  [[nodiscard]] bool resolved() const { return cells_ != nullptr; }

 private:
  friend class MetricRegistry;
  Histogram(const std::int64_t* bound, std::size_t bounds, std::uint64_t* cells)
      : bound_(bound), bounds_(bounds), cells_(cells) {}

  const std::int64_t* bound_ = nullptr;
  std::size_t bounds_ = 0;
  std::uint64_t* cells_ = nullptr;  // a bucket per bound, one past them, the sum
};

struct FamilyOptions {
  std::string name;  // as Prometheus has it, with its unit: "hanse_tokens_total"
  std::string help;  // one sentence
  std::vector<std::string> labels;
  // Values count 10^-decimals of the name's unit.
  unsigned decimals = 0;
  std::size_t series_max = 1'000;
  std::vector<std::int64_t> bounds;  // of a histogram's buckets, rising
};

class MetricRegistry {
 public:
  using LabelValues = std::span<const std::string_view>;

  MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  // Requires: the name is new and valid.
  FamilyId add_counters(FamilyOptions options);
  FamilyId add_gauges(FamilyOptions options);
  FamilyId add_histograms(FamilyOptions options);

  // The series with these label values, made when it is new. Finds it by
  // text: resolve once, keep the handle.
  // Requires: the family is of this type; a value for each label.
  Counter counter(FamilyId family, LabelValues values);
  Gauge gauge(FamilyId family, LabelValues values);
  Histogram histogram(FamilyId family, LabelValues values);
  Counter counter(FamilyId family, std::initializer_list<std::string_view> values) {
    return counter(family, LabelValues(values.begin(), values.size()));
  }
  Gauge gauge(FamilyId family, std::initializer_list<std::string_view> values) {
    return gauge(family, LabelValues(values.begin(), values.size()));
  }
  Histogram histogram(FamilyId family, std::initializer_list<std::string_view> values) {
    return histogram(family, LabelValues(values.begin(), values.size()));
  }

  // What a scrape is answered with, see kContentType. Families without a
  // series are left out. Appends; allocates only while `out` grows.
  void write(std::string& out) const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  struct Family {
    FamilyOptions options;
    Type type = Type::counter;
    // The label values as text, `a="x",b="y"`, to the series' cells. Sorted,
    // so that two scrapes have the same order.
    std::map<std::string, std::uint64_t*, std::less<>> series;
  };

  FamilyId add(FamilyOptions options, Type type);
  std::uint64_t* cells(FamilyId family, Type type, LabelValues values);
  static void write_series(const Family& family, std::string_view labels,
                           const std::uint64_t* cells, std::string& out);

  std::deque<Family> families_;                   // handles point into them
  std::deque<std::vector<std::uint64_t>> cells_;  // likewise
  FamilyId overflows_;
  std::string scratch_;
};

}  // namespace hanse::telemetry
