// src/adapters/telemetry/log.h
// The gateway's own log: one line per thing an operator should know.
//
// A log that takes any string will one day hold a prompt. This one takes a
// literal for what happened and fields of known types for the rest: names of
// the configuration, ids, numbers, times. Whatever else finds its way into a
// name is withheld. So no prompt, no reply and no key is ever written.
//
// A slow disk or a stopped terminal must not stop a request: lines go through
// a bounded queue to a writer thread, and the oldest are dropped (and counted)
// when it is full. Nothing on the path of a healthy request logs at `info`.
//
// Text:  2026-11-23T04:36:01.250Z warning an attempt failed site=hamburg
// JSON:  {"time":"2026-11-23T04:36:01.250Z","level":"warning",
//         "message":"an attempt failed","site":"hamburg"}   (one line)
// Fields with a unit carry it in their name: limit_ms.
//
// One place logs: the driver. May be called from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "core/answer/failure.h"
#include "core/ledger/request_id.h"

namespace hanse::telemetry {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t { text, json };

std::string_view to_string(LogLevel level);

// Words that stand in the source, so that nothing from outside can be one.
class Literal {
 public:
  template <std::size_t N>
  consteval Literal(const char (&text)[N]) : text_(text, N - 1) {}  // NOLINT: converts on purpose

  [[nodiscard]] constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// One `name=value` of a line. Made by the functions in `field` only; may view
// its argument, so it lives for one call.
class LogField {
 public:
  enum class Kind : std::uint8_t { name, detail, number, decimal };

  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] std::int64_t number() const { return number_; }
  // What a decimal's number counts: 10^-decimals() of the unit in its key.
  [[nodiscard]] std::uint8_t decimals() const { return decimals_; }
  // Appended to the key: "_ms".
  [[nodiscard]] std::string_view unit() const { return {unit_.data(), unit_size_}; }

  static LogField of_name(Literal key, std::string_view name);
  static LogField of_detail(Literal key, std::string_view detail);
  static LogField of_number(Literal key, std::int64_t number);
  static LogField of_duration(Literal key, Duration duration);
  // Copied into the field. Requires: at most kInlineCharsMax characters.
  static LogField of_short_name(Literal key, std::string_view name);

 private:
  static constexpr std::size_t kInlineCharsMax = ledger::kRequestIdChars;

  LogField(Kind kind, std::string_view key) : kind_(kind), key_(key) {}

  Kind kind_;
  std::uint8_t decimals_ = 0;
  std::uint8_t unit_size_ = 0;
  std::uint8_t inline_size_ = 0;
  std::array<char, 4> unit_{};
  std::array<char, kInlineCharsMax> inline_{};
  std::string_view key_;
  std::string_view text_;
  std::int64_t number_ = 0;
};

// The fields that exist.
namespace field {

// Names as the configuration gives them; anything else is withheld.
LogField site(std::string_view name);
LogField address(std::string_view address);  // of a listener: "127.0.0.1:8411"

LogField request(const ledger::RequestId& id);
LogField snapshot(const Sha256& digest);  // its first 12 digits
LogField failure(answer::Failure failure);
LogField outcome(std::string_view word);  // one of ours
LogField http_status(std::int32_t status);

// Any number, under a name that stands in the source.
LogField count(Literal key, std::int64_t count);
LogField duration(Literal key, Duration duration);  // `key` + "_ms"

// A sentence about the configuration, a file or the system: a diagnostic of a
// reload, the message of an errno, a path. Never about a request. What looks
// like a key is replaced, and it is cut after 1,000 bytes.
LogField path(std::string_view path);
LogField gateway(std::string_view name);  // its own name; a text of the configuration
LogField detail(std::string_view sentence);

}  // namespace field

struct LogOptions {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  std::string file;               // empty: standard error
  std::function<WallTime()> now;  // the time of a line; required
  std::size_t lines_waiting_max = 8'192;
};

class Log {
 public:
  // Fails: unavailable when the file cannot be opened for appending.
  static Result<Log> open(LogOptions options);
  // Writes what is still waiting.
  ~Log();
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;

  // `what` in lower case, without a full stop: "configuration reloaded".
  void write(LogLevel level, Literal what, std::initializer_list<LogField> fields = {});
  void debug(Literal what, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::debug, what, fields);
  }
  void info(Literal what, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::info, what, fields);
  }
  void warning(Literal what, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::warning, what, fields);
  }
  void error(Literal what, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::error, what, fields);
  }

  [[nodiscard]] bool writes(LogLevel level) const;
  // Opens the file anew, after it was moved away: what logrotate expects.
  Status reopen();
  // Returns when all lines so far are with the system.
  void flush();
  // Lines that were dropped because the queue was full.
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace hanse::telemetry
