#include "adapters/config/document.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <utility>

#include "adapters/config/nesting.h"
#include "adapters/config/report.h"

namespace hanse::config {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

// Days from 1970-01-01 to a date of the Gregorian calendar.
// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
std::int64_t days_from_civil(const toml::date& date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_index = date.month > 2 ? date.month - 3 : date.month + 9;
  const std::int64_t day_of_year = (153 * month_index + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

// Saturates: the calendar of TOML is longer than 64 bits of nanoseconds.
std::int64_t nanoseconds_at(const toml::date& date, const toml::time& time,
                            std::int64_t offset_minutes) {
  const std::int64_t seconds = days_from_civil(date) * kSecondsPerDay +
                               std::int64_t{time.hour} * 3600 +
                               (time.minute - offset_minutes) * 60 + time.second;
  const __int128 nanoseconds = static_cast<__int128>(seconds) * kNanosPerSecond + time.nanosecond;
  constexpr __int128 kMost = std::numeric_limits<std::int64_t>::max() / 2;
  return static_cast<std::int64_t>(std::clamp(nanoseconds, -kMost, kMost));
}

class Conversion {
 public:
  Conversion(const Report& report, std::uint32_t file) : report_(report), file_(file) {}

  [[nodiscard]] Node convert(const toml::node& from) const {
    Node node;
    node.place = place_of(from.source());
    if (const auto* table = from.as_table()) {
      node.kind = Node::Kind::table;
      // The library keeps members by rising key, bytewise, as Node does.
      for (const auto& [key, value] : *table) {
        node.members.push_back({std::string(key.str()), place_of(key.source()), convert(value)});
      }
    } else if (const auto* array = from.as_array()) {
      node.kind = Node::Kind::array;
      for (const toml::node& item : *array) node.items.push_back(convert(item));
    } else {
      convert_scalar(from, node);
    }
    return node;
  }

  [[nodiscard]] Place place_of(const toml::source_region& region) const {
    Place place{.file = file_, .line = region.begin.line, .column = region.begin.column};
    place.last_line = std::max(region.begin.line, region.end.line);
    if (region.end.line == region.begin.line && region.end.column > region.begin.column) {
      place.length = region.end.column - region.begin.column;
    }
    return place;
  }

 private:
  void convert_scalar(const toml::node& from, Node& node) const {
    node.text = report_.sources().slice(node.place);
    if (const auto* text = from.as_string()) {
      node.kind = Node::Kind::text;
      node.text = text->get();
    } else if (const auto* integer = from.as_integer()) {
      node.kind = Node::Kind::integer;
      node.number = integer->get();
    } else if (from.is_floating_point()) {
      node.kind = Node::Kind::real;
    } else if (const auto* boolean = from.as_boolean()) {
      node.kind = Node::Kind::boolean;
      node.number = boolean->get() ? 1 : 0;
    } else if (const auto* date = from.as_date()) {
      node.kind = Node::Kind::date;
      node.number = nanoseconds_at(date->get(), toml::time{}, 0);
    } else if (const auto* date_time = from.as_date_time()) {
      const toml::date_time& value = date_time->get();
      node.kind = value.offset ? Node::Kind::date_time : Node::Kind::local_date_time;
      node.number =
          nanoseconds_at(value.date, value.time, value.offset ? value.offset->minutes : 0);
    } else {
      node.kind = Node::Kind::local_time;
    }
  }

  const Report& report_;
  std::uint32_t file_;
};

bool is_bare(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// What to do about the library's commonest complaints.
std::string advice(std::string_view description) {
  if (description.contains("could not determine value type")) return "text stands in quotes";
  if (description.contains("parsing boolean"))
    return "text stands in quotes, true and false do not";
  if (description.contains("cannot redefine existing table")) {
    return "a table is opened once; put all its keys below one header";
  }
  if (description.contains("cannot redefine"))
    return "a key is given once; take one of the two away";
  if (description.contains("unescaped control characters")) return "is the closing quote missing?";
  return {};
}

// What cannot be parsed cannot be told apart from a secret.
bool may_hold_secret(std::string_view line) {
  for (const std::string_view word : {"key", "token", "secret", "password", "credential"}) {
    if (line.contains(word)) return true;
  }
  return line.contains("sk-") || line.contains("hk-");
}

// The library points at what stands before bytes that are not UTF-8.
void point_at_bad_bytes(Place& place, std::string_view text, std::string_view line) {
  const auto first = static_cast<unsigned char>(text.empty() ? '\0' : text.front());
  const bool first_is_bad = (first >= 0x80 && first < 0xC2) || first > 0xF4;
  if (place.line == 1 && place.column == 1 && first_is_bad) return;
  const auto letters = std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
  if (place.column > static_cast<std::uint32_t>(letters)) {
    ++place.line;
    place.column = 1;
  } else {
    ++place.column;
  }
  place.last_line = place.line;
  place.length = 1;
}

void report_syntax(const toml::parse_error& trouble, const Conversion& conversion, Report& report) {
  Place place = conversion.place_of(trouble.source());
  std::string_view line = report.sources().line(place.file, place.line);
  if (trouble.description().contains("utf-8")) {
    point_at_bad_bytes(place, report.sources()[place.file].text, line);
    line = report.sources().line(place.file, place.line);
  }
  if (may_hold_secret(line)) {
    report.hide({.file = place.file,
                 .line = place.line,
                 .column = 1,
                 .length = static_cast<std::uint32_t>(line.size()),
                 .last_line = place.line});
    report.error(place, {"", "this is not TOML",
                         "the line is not shown, for it may hold a secret; text stands in quotes"});
    return;
  }
  std::string_view description = trouble.description();
  const std::string hint = advice(description);
  // The library points behind what it has just read.
  if (description.contains("cannot redefine")) {
    const std::size_t start = std::min(line.find_first_not_of(" \t"), line.size());
    const std::size_t end = std::min(line.find_last_not_of(" \t") + 1, line.find_first_of("= "));
    place.column = static_cast<std::uint32_t>(start) + 1;
    place.length = static_cast<std::uint32_t>(std::max(end, start + 1) - start);
  }
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (description.starts_with(kPrefix)) description.remove_prefix(kPrefix.size());
  report.error(place, {"", fmt::format("this is not TOML: {}", description), hint});
}

void merge_member(Member& into, Member&& from, std::string_view path, Report& report) {
  if (into.value.kind == Node::Kind::table && from.value.kind == Node::Kind::table) {
    merge(into.value, std::move(from.value), path, report);
    return;
  }
  // Every file may say which schema it is written in.
  if (path == "schema" && into.value.kind == from.value.kind &&
      into.value.number == from.value.number) {
    return;
  }
  if (path == "schema") {
    report.error(from.place, {"schema", "the files are written in different schemas", ""});
  } else {
    report.error(from.place, {std::string(path), fmt::format("'{}' is given in two files", path),
                              "files are merged by key; take one of the two away"});
  }
  report.relate(into.place, "the other is here");
}

}  // namespace

const Member* Node::find_member(std::string_view key) const {
  const auto it = std::ranges::lower_bound(members, key, {}, &Member::key);
  return it != members.end() && it->key == key ? &*it : nullptr;
}

const Node* Node::find(std::string_view key) const {
  const Member* member = find_member(key);
  return member == nullptr ? nullptr : &member->value;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::string describe(const Node& node) {
  constexpr std::size_t kShownMax = 40;
  switch (node.kind) {
    case Node::Kind::table: return "a table";
    case Node::Kind::array: return "a list";
    case Node::Kind::text:
      return node.text.size() > kShownMax ? fmt::format("a text of {} bytes", node.text.size())
                                          : fmt::format("the text \"{}\"", node.text);
    case Node::Kind::integer: return fmt::format("the integer {}", node.number);
    case Node::Kind::real: return fmt::format("the number {}", node.text);
    case Node::Kind::boolean: return node.number != 0 ? "true" : "false";
    case Node::Kind::date: return fmt::format("the date {}", node.text);
    case Node::Kind::date_time: return fmt::format("the time {}", node.text);
    case Node::Kind::local_date_time: return fmt::format("the time {} of no time zone", node.text);
    case Node::Kind::local_time: return fmt::format("the time of day {}", node.text);
    case Node::Kind::invalid: break;
  }
  return "something else";
}

std::string join(std::string_view path, std::string_view key) {
  const std::string segment = is_bare(key) ? std::string(key) : fmt::format("\"{}\"", key);
  return path.empty() ? segment : fmt::format("{}.{}", path, segment);
}

Node parse_document(Report& report, std::uint32_t file) {
  const SourceText& source = report.sources()[file];
  if (const auto depth = too_deep(source.text)) {
    report.error({.file = file, .line = depth->line, .column = depth->column},
                 {"", "this is nested too deeply to be a configuration", ""});
    return {};
  }
  const Conversion conversion(report, file);
  try {
    return conversion.convert(toml::parse(std::string_view(source.text)));
  } catch (const toml::parse_error& trouble) {
    report_syntax(trouble, conversion, report);
  }
  return {};
}

void merge(Node& into, Node&& from, std::string_view path, Report& report) {
  std::vector<Member> merged;
  merged.reserve(into.members.size() + from.members.size());
  auto it = into.members.begin();
  for (Member& member : from.members) {
    while (it != into.members.end() && it->key < member.key) merged.push_back(std::move(*it++));
    if (it == into.members.end() || it->key != member.key) {
      merged.push_back(std::move(member));
    } else {
      merge_member(*it, std::move(member), join(path, it->key), report);
    }
  }
  std::move(it, into.members.end(), std::back_inserter(merged));
  into.members = std::move(merged);
}

}  // namespace hanse::config
