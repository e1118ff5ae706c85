#include "drivers/serve/recorder.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace hanse::serve {

Result<std::unique_ptr<Recorder>> Recorder::create(const std::string& file,
                                                   const dispatch::RecordingStart& start) {
  // A restart must not erase the recording of the crash before it.
  std::FILE* opened = std::fopen(file.c_str(), "wbx");
  if (opened == nullptr && errno == EEXIST) {
    return fail(
        {ErrorCode::conflict, Fault::us, Retry::no,
         fmt::format("the recording {} is there already; move it away, or name another", file)});
  }
  if (opened == nullptr) {
    return fail(
        {ErrorCode::unavailable, Fault::us, Retry::no,
         fmt::format("the recording {} cannot be written: {}", file, std::strerror(errno))});
  }
  return std::unique_ptr<Recorder>(new Recorder(opened, start));
}

Recorder::~Recorder() {
  writer_.end();
  (void)flush();
  std::fclose(file_);
}

ledger::Position Recorder::append(const ledger::Entry& entry) {
  writer_.entry(entry);
  return ledger::Position();
}

void Recorder::use(const Setting& setting) {
  if (failed_) return;
  if (known_.insert(setting.snapshot->digest).second) {
    writer_.snapshot(setting.snapshot->digest, setting.canonical);
  }
}

void Recorder::event(const dispatch::Event& event, Instant now, std::uint64_t actions_digest) {
  if (failed_) return;  // nothing would ever write it
  writer_.event(event, now, actions_digest);
}

Status Recorder::flush() {
  if (failed_ || buffer_.empty()) return {};
  const bool written = std::fwrite(buffer_.data(), 1, buffer_.size(), file_) == buffer_.size() &&
                       std::fflush(file_) == 0;
  buffer_.clear();
  if (written) return {};
  failed_ = true;
  return fail({ErrorCode::unavailable, Fault::us, Retry::no,
               fmt::format("the recording cannot be written: {}", std::strerror(errno))});
}

}  // namespace hanse::serve
