// tests/scenarios/scenario.h
// A scenario: facts, what clients ask, how sites behave, and what must come of
// it, read from one file. README.md in this folder says how to write one.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "drivers/replay/trouble.h"

namespace hanse::scenarios {

// A piece of the configuration's text that stands otherwise in this scenario.
struct Replacement {
  std::string text;
  std::string by;
};

struct SiteChange {
  Duration at;
  std::string site;
  replay::Condition becomes = replay::Condition::up;
};

// What a site's engine tells of itself from now on.
struct EngineTells {
  Duration at;
  std::string site;
  replay::Telling telling = {};
};

// An operator leaves a site out.
struct Drill {
  Duration at;
  std::string site;
  Duration lasts;
};

// The configuration is read again, with the replacements made so far and these.
struct Reload {
  Duration at;
  std::vector<Replacement> replace;
};

// How a site treats its next attempts.
struct Treatment {
  std::string site;
  std::int64_t times = 1;
  replay::AttemptScript script;
};

// What came of something, by the words of the file: "end" = "answered". Only
// what a file names is compared, so that it says what it is about.
using Facts = std::map<std::string, std::string>;

struct Ask {
  std::string name;
  Duration at;
  std::string key;
  std::string alias;
  std::string data;           // the Hanse-Data header; empty: none is sent
  std::string latency_class;  // likewise
  bool stream = true;
  std::int64_t prompt_bytes = 120;
  Tokens prompt_tokens{30};
  Tokens cached_tokens{0};
  std::optional<Tokens> prompt_tokens_max;  // else as many as bytes
  Tokens output_tokens{20};
  std::optional<Tokens> output_limit;  // else the tenant's default
  std::int32_t choices = 1;
  bool continuable = true;
  bool deterministic = true;
  std::optional<Duration> leaves_after;
  Facts expected;
};

struct Scenario {
  std::string about;
  std::filesystem::path config;
  std::vector<Replacement> replace;
  std::optional<WallTime> starts_at;
  std::uint8_t attempts_max = 4;
  std::vector<SiteChange> site_changes;
  std::vector<Drill> drills;
  std::vector<EngineTells> tellings;
  std::vector<Reload> reloads;
  std::vector<Treatment> treatments;
  std::vector<Ask> asks;  // in order of time
  Facts books;
};

// Fails: invalid_input, naming file, line and what was expected.
Result<Scenario> read_scenario(const std::filesystem::path& file);

// What came of it, in the order of the file.
struct Came {
  std::vector<Facts> asks;
  Facts books;
  std::vector<std::string> complaints;  // of the witness
};

// Fails: invalid_input when the configuration does not load, a name in the
// scenario is unknown, or a replacement finds nothing to replace.
Result<Came> run_scenario(const Scenario& scenario);

// Empty when everything expected has come. Else each difference as a pair of
// lines, and all that came in the form in which a file would expect it.
std::string difference(const Scenario& scenario, const Came& came);

}  // namespace hanse::scenarios
