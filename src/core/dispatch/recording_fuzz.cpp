// Any bytes are blocks of a recording or an error. Checksums keep a fuzzer
// out, so the payloads are tried by themselves as well.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/check.h"
#include "core/dispatch/recording.h"
#include "core/dispatch/seal_codec.h"
#include "core/dispatch/testing/four_sites.h"

namespace {

using namespace hanse;
using namespace hanse::dispatch;

template <typename Read, typename Write>
void round_trip(std::string_view bytes, Read read, Write write) {
  WireReader in(bytes);
  const auto value = read(in);
  if (!in.finish()) return;
  std::string again;
  {
    WireWriter out(again);
    write(value, out);
  }
  HANSE_CHECK(again == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::FourSites grid;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);

  RecordingReader reader(bytes);
  RecordedBlock block;
  for (auto more = reader.next(block); more && *more; more = reader.next(block)) {
  }

  round_trip(
      bytes, [](WireReader& in) { return read_event(in).event; },
      [&](const Event& event, WireWriter& out) {
        (void)check_event(event, grid.snapshot(), DispatchOptions());
        if (!std::holds_alternative<SnapshotChanged>(event)) {
          write_event(event, out);
        } else {
          out.raw(bytes);  // its snapshot is not here
        }
      });
  round_trip(bytes, read_seal_entry, write_seal_entry);
  return 0;
}
