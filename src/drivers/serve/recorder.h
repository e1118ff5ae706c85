// src/drivers/serve/recorder.h
// Writes a run down for `hanse replay --recording FILE --check`: events and
// the digests of what was decided, sizes and hashes, never content.
#pragma once

#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "core/dispatch/recording.h"
#include "core/ledger/entry_stream.h"
#include "drivers/serve/setting.h"

namespace hanse::serve {

class Recorder final : public ledger::EntrySink {
 public:
  // Creates or empties `file` and writes the beginning.
  // Fails: unavailable when the file cannot be written.
  static Result<std::unique_ptr<Recorder>> create(const std::string& file,
                                                  const dispatch::RecordingStart& start);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // The seal that the run begins with.
  ledger::Position append(const ledger::Entry& entry) override;
  // Before the first event that decides under it; again costs nothing.
  void use(const Setting& setting);
  void event(const dispatch::Event& event, Instant now, std::uint64_t actions_digest);
  // Hands what has been collected to the system.
  // Fails: unavailable; the recording is cut there and goes no further.
  Status flush();

 private:
  Recorder(std::FILE* file, const dispatch::RecordingStart& start)
      : file_(file), writer_(buffer_, start) {}

  std::FILE* file_;
  std::string buffer_;
  dispatch::RecordingWriter writer_;
  std::set<Sha256> known_;
  bool failed_ = false;
};

}  // namespace hanse::serve
