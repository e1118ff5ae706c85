#include "adapters/telemetry/metric_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "base/decimal.h"

namespace hanse::telemetry {
namespace {

bool may_begin_word(char c) { return is_letter(c) || c == '_'; }

bool is_metric_word(std::string_view word) {
  return !word.empty() && may_begin_word(word[0]) &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return may_begin_word(c) || is_digit(c); });
}

// Source: "Exposition formats", Prometheus documentation, text format 0.0.4:
// backslash and line feed are escaped everywhere, quotes in label values.
enum class Place : std::uint8_t { help, label };

void append_escaped(std::string_view text, Place place, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && place == Place::label) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_label(std::string_view name, std::string_view value, std::string& out) {
  if (!out.empty()) out += ',';
  out += name;
  out += "=\"";
  append_escaped(value, Place::label, out);
  out += '"';
}

struct Sample {
  std::string_view name;
  std::string_view suffix;
  std::string_view labels;
  std::string_view more_labels;
};

void append_name(const Sample& sample, std::string& out) {
  out += sample.name;
  out += sample.suffix;
  if (!sample.labels.empty() || !sample.more_labels.empty()) {
    out += '{';
    out += sample.labels;
    if (!sample.labels.empty() && !sample.more_labels.empty()) out += ',';
    out += sample.more_labels;
    out += '}';
  }
  out += ' ';
}

}  // namespace

MetricRegistry::MetricRegistry()
    : overflows_(add_counters({.name = "hanse_metric_overflows_total",
                               .help = "Label sets that found their family full and were counted "
                                       "as \"other\".",
                               .labels = {"family"},
                               .bounds = {}})) {}

FamilyId MetricRegistry::add(FamilyOptions options, Type type) {
  HANSE_CHECK(is_metric_word(options.name));
  HANSE_CHECK(options.series_max > 0);
  HANSE_CHECK(std::is_sorted(options.bounds.begin(), options.bounds.end()));
  for (const std::string& label : options.labels) {
    HANSE_CHECK(is_metric_word(label) && !label.starts_with("__") && label != "le");
  }
  for (const Family& family : families_) HANSE_CHECK(family.options.name != options.name);
  Family& family = families_.emplace_back();
  family.options = std::move(options);
  family.type = type;
  return FamilyId(families_.size() - 1);
}

FamilyId MetricRegistry::add_counters(FamilyOptions options) {
  HANSE_CHECK(options.name.ends_with("_total"));
  return add(std::move(options), Type::counter);
}
FamilyId MetricRegistry::add_gauges(FamilyOptions options) {
  return add(std::move(options), Type::gauge);
}
FamilyId MetricRegistry::add_histograms(FamilyOptions options) {
  HANSE_CHECK(!options.bounds.empty());
  return add(std::move(options), Type::histogram);
}

std::uint64_t* MetricRegistry::cells(FamilyId id, Type type, LabelValues values) {
  HANSE_CHECK(id.value() < families_.size());
  Family& family = families_[id.value()];
  HANSE_CHECK(family.type == type);
  HANSE_CHECK(values.size() == family.options.labels.size());

  scratch_.clear();
  for (std::size_t i = 0; i < values.size(); ++i) {
    append_label(family.options.labels[i], values[i], scratch_);
  }
  if (const auto known = family.series.find(scratch_); known != family.series.end()) {
    return known->second;
  }
  if (family.series.size() >= family.options.series_max) {
    // The one series beyond the bound is where all further ones are counted.
    if (id != overflows_) counter(overflows_, {family.options.name}).add();
    scratch_.clear();
    for (const std::string& label : family.options.labels) append_label(label, "other", scratch_);
    const auto other = family.series.find(scratch_);
    if (other != family.series.end()) return other->second;
  }
  const std::size_t size = type == Type::histogram ? family.options.bounds.size() + 2 : 1;
  std::uint64_t* made = cells_.emplace_back(size, 0).data();
  family.series.emplace(scratch_, made);
  return made;
}

Counter MetricRegistry::counter(FamilyId family, LabelValues values) {
  return Counter(cells(family, Type::counter, values));
}
Gauge MetricRegistry::gauge(FamilyId family, LabelValues values) {
  return Gauge(cells(family, Type::gauge, values));
}
Histogram MetricRegistry::histogram(FamilyId family, LabelValues values) {
  std::uint64_t* made = cells(family, Type::histogram, values);
  const std::vector<std::int64_t>& bounds = families_[family.value()].options.bounds;
  return Histogram(bounds.data(), bounds.size(), made);
}

void MetricRegistry::write_series(const Family& family, std::string_view labels,
                                  const std::uint64_t* cells, std::string& out) {
  const FamilyOptions& options = family.options;
  if (family.type != Type::histogram) {
    append_name({options.name, "", labels, ""}, out);
    append_decimal(static_cast<std::int64_t>(*cells), options.decimals, out);
    out += '\n';
    return;
  }
  std::uint64_t count = 0;
  std::string bound;
  for (std::size_t i = 0; i <= options.bounds.size(); ++i) {
    count += cells[i];
    bound = "le=\"";
    if (i < options.bounds.size()) {
      append_decimal(options.bounds[i], options.decimals, bound);
    } else {
      bound += "+Inf";
    }
    bound += '"';
    append_name({options.name, "_bucket", labels, bound}, out);
    fmt::format_to(std::back_inserter(out), "{}\n", count);
  }
  append_name({options.name, "_sum", labels, ""}, out);
  append_decimal(static_cast<std::int64_t>(cells[options.bounds.size() + 1]), options.decimals,
                 out);
  out += '\n';
  append_name({options.name, "_count", labels, ""}, out);
  fmt::format_to(std::back_inserter(out), "{}\n", count);
}

void MetricRegistry::write(std::string& out) const {
  for (const Family& family : families_) {
    if (family.series.empty()) continue;
    out += "# HELP ";
    out += family.options.name;
    out += ' ';
    append_escaped(family.options.help, Place::help, out);
    out += "\n# TYPE ";
    out += family.options.name;
    out += ' ';
    out += family.type == Type::counter ? "counter"
           : family.type == Type::gauge ? "gauge"
                                        : "histogram";
    out += '\n';
    for (const auto& [labels, cells] : family.series) write_series(family, labels, cells, out);
  }
}

}  // namespace hanse::telemetry
