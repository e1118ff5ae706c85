#include "adapters/telemetry/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <iterator>
#include <mutex>
#include <utility>

#include "adapters/telemetry/redaction.h"
#include "base/check.h"
#include "base/decimal.h"

namespace hanse::telemetry {
namespace {

constexpr std::size_t kDetailBytesMax = 1'000;
constexpr std::size_t kSnapshotDigits = 12;
// Lines carry their own level in their text; for the queue there are two kinds.
constexpr auto kLine = spdlog::level::info;
constexpr auto kMark = spdlog::level::critical;  // not to be written, see flush()

void append_quoted(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

// Both formats write numbers alike and quote what could hold a blank; in JSON
// every text is quoted.
void append_value(const LogField& field, LogFormat format, std::string& out) {
  switch (field.kind()) {
    case LogField::Kind::name: {
      const bool whole = is_name(field.text());
      if (whole && format == LogFormat::text) {
        out += field.text();
      } else {
        append_quoted(whole ? std::string(field.text()) : name_or_withheld(field.text()), out);
      }
      return;
    }
    case LogField::Kind::detail: return append_quoted(redacted(field.text(), kDetailBytesMax), out);
    case LogField::Kind::number:
    case LogField::Kind::decimal: return append_decimal(field.number(), field.decimals(), out);
  }
}

std::string text_line(std::string_view time, LogLevel level, std::string_view what,
                      std::initializer_list<LogField> fields) {
  std::string line = fmt::format("{} {:<7} {}", time, to_string(level), what);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key();
    line += field.unit();
    line += '=';
    append_value(field, LogFormat::text, line);
  }
  return line;
}

std::string json_line(std::string_view time, LogLevel level, std::string_view what,
                      std::initializer_list<LogField> fields) {
  std::string line =
      fmt::format(R"({{"time":"{}","level":"{}","message":)", time, to_string(level));
  append_quoted(what, line);
  for (const LogField& field : fields) {
    line += ",\"";
    line += field.key();
    line += field.unit();
    line += "\":";
    append_value(field, LogFormat::json, line);
  }
  line += '}';
  return line;
}

// A file of our own, so that it can be opened anew while lines are waiting.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  ~FileSink() override {
    if (!path_.empty() && descriptor_ >= 0) ::close(descriptor_);
  }

  Status open(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (path.empty()) {
      descriptor_ = STDERR_FILENO;
      return {};
    }
    const int opened = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (opened < 0) {
      return fail({ErrorCode::unavailable, Fault::us, Retry::no,
                   fmt::format("the log {} cannot be opened: {}", path, std::strerror(errno))});
    }
    if (descriptor_ >= 0) ::close(descriptor_);
    path_ = path;
    descriptor_ = opened;
    return {};
  }
  Status reopen() { return path_.empty() ? Status() : open(path_); }

  [[nodiscard]] std::uint64_t unwritten() const { return unwritten_.load(); }

  // Sends a mark behind all lines so far and waits until it has come through;
  // false after `limit`: a full queue may drop the mark as well.
  bool wait_for_mark(std::chrono::milliseconds limit,
                     const std::function<void(std::string_view mark)>& send) {
    std::unique_lock lock(marks_mutex_);
    const std::uint64_t mark = ++marks_sent_;
    send(fmt::to_string(mark));
    return marked_.wait_for(lock, limit, [&] { return marks_seen_ >= mark; });
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (message.level == kMark) return see_mark({message.payload.data(), message.payload.size()});
    line_.assign(message.payload.data(), message.payload.size());
    line_ += '\n';
    // One write a line, so that lines of several processes do not mix.
    std::string_view rest = line_;
    while (!rest.empty()) {
      const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        unwritten_.fetch_add(1);
        return;
      }
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void flush_() override {}  // nothing is kept back

 private:
  void see_mark(std::string_view mark) {
    const std::lock_guard lock(marks_mutex_);
    std::uint64_t seen = 0;
    std::from_chars(mark.data(), mark.data() + mark.size(), seen);
    marks_seen_ = std::max(marks_seen_, seen);
    marked_.notify_all();
  }

  std::string path_;  // empty: standard error
  int descriptor_ = -1;
  std::string line_;
  std::atomic<std::uint64_t> unwritten_ = 0;
  std::mutex marks_mutex_;
  std::condition_variable marked_;
  std::uint64_t marks_sent_ = 0;
  std::uint64_t marks_seen_ = 0;
};

// For the writer's thread: a reader that closes standard error costs lines,
// not the process.
void ignore_closed_pipes() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "unknown";
}

// --- Fields ----------------------------------------------------------------

std::string_view LogField::text() const {
  return inline_size_ != 0 ? std::string_view(inline_.data(), inline_size_) : text_;
}

LogField LogField::of_name(Literal key, std::string_view name) {
  LogField field(Kind::name, key.text());
  field.text_ = name;
  return field;
}
LogField LogField::of_short_name(Literal key, std::string_view name) {
  LogField field(Kind::name, key.text());
  HANSE_CHECK(name.size() <= field.inline_.size());
  std::copy(name.begin(), name.end(), field.inline_.begin());
  field.inline_size_ = static_cast<std::uint8_t>(name.size());
  return field;
}
LogField LogField::of_detail(Literal key, std::string_view detail) {
  LogField field(Kind::detail, key.text());
  field.text_ = detail;
  return field;
}
LogField LogField::of_number(Literal key, std::int64_t number) {
  LogField field(Kind::number, key.text());
  field.number_ = number;
  return field;
}
LogField LogField::of_duration(Literal key, Duration duration) {
  LogField field(Kind::decimal, key.text());
  field.number_ = duration.count() / 1'000;
  field.decimals_ = 3;
  field.unit_ = {'_', 'm', 's'};
  field.unit_size_ = 3;
  return field;
}
namespace field {

LogField site(std::string_view name) { return LogField::of_name("site", name); }
LogField address(std::string_view address) { return LogField::of_name("address", address); }

LogField request(const ledger::RequestId& id) {
  const auto chars = ledger::to_chars(id);
  return LogField::of_short_name("request", {chars.data(), chars.size()});
}
LogField snapshot(const Sha256& digest) {
  return LogField::of_short_name("snapshot", to_hex(digest).substr(0, kSnapshotDigits));
}
LogField failure(answer::Failure failure) {
  return LogField::of_name("failure", to_string(failure));
}
LogField outcome(std::string_view word) { return LogField::of_name("outcome", word); }
LogField http_status(std::int32_t status) { return LogField::of_number("http_status", status); }
LogField count(Literal key, std::int64_t count) { return LogField::of_number(key, count); }
LogField duration(Literal key, Duration duration) { return LogField::of_duration(key, duration); }

LogField path(std::string_view path) { return LogField::of_detail("path", path); }
LogField gateway(std::string_view name) { return LogField::of_detail("gateway", name); }
LogField detail(std::string_view sentence) { return LogField::of_detail("detail", sentence); }

}  // namespace field

// --- The log ---------------------------------------------------------------

struct Log::State {
  LogOptions options;
  std::shared_ptr<FileSink> sink = std::make_shared<FileSink>();
  std::shared_ptr<spdlog::async_logger> logger;
  // The writer thread. It is the first to go: it takes what is queued with it,
  // and the logger that every queued line holds ends with us, not in there.
  std::shared_ptr<spdlog::details::thread_pool> writer;
};

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;
// The pool's destructor lets its thread finish what is queued.
Log::~Log() = default;

Result<Log> Log::open(LogOptions options) {
  HANSE_CHECK(options.now != nullptr && options.lines_waiting_max > 0);
  auto state = std::make_unique<State>();
  if (const Status opened = state->sink->open(options.file); !opened) return fail(opened.error());
  state->writer = std::make_shared<spdlog::details::thread_pool>(
      options.lines_waiting_max, std::size_t{1}, ignore_closed_pipes);
  state->logger = std::make_shared<spdlog::async_logger>(
      "hanse", state->sink, state->writer, spdlog::async_overflow_policy::overrun_oldest);
  state->logger->set_level(spdlog::level::trace);
  state->options = std::move(options);
  return Log(std::move(state));
}

bool Log::writes(LogLevel level) const { return level >= state_->options.level; }

void Log::write(LogLevel level, Literal what, std::initializer_list<LogField> fields) {
  if (!writes(level)) return;
  const std::string time = to_iso8601(state_->options.now());
  const std::string line = state_->options.format == LogFormat::json
                               ? json_line(time, level, what.text(), fields)
                               : text_line(time, level, what.text(), fields);
  state_->logger->log(kLine, spdlog::string_view_t(line.data(), line.size()));
}

Status Log::reopen() { return state_->sink->reopen(); }

void Log::flush() {
  constexpr std::chrono::milliseconds kPatience{100};
  const auto send = [&](std::string_view mark) {
    state_->logger->log(kMark, spdlog::string_view_t(mark.data(), mark.size()));
  };
  while (!state_->sink->wait_for_mark(kPatience, send)) {
  }
}

std::uint64_t Log::dropped() const {
  return state_->writer->overrun_counter() + state_->sink->unwritten();
}

}  // namespace hanse::telemetry
