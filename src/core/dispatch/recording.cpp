#include "core/dispatch/recording.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/wire_words.h"
#include "core/dispatch/seal_codec.h"

namespace hanse::dispatch {
namespace {

constexpr std::string_view kMagic = "HANSEREC";
constexpr std::uint8_t kRecordingVersion = 4;
constexpr std::size_t kHeadBytes = kMagic.size() + 1;
constexpr std::size_t kChecksumBytes = 4;

// A longer block is damage, not a reason to look for its end.
constexpr std::size_t payload_max(RecordingBlockKind kind) {
  constexpr std::size_t kOthers = 4'096;
  return kind == RecordingBlockKind::snapshot ? kSnapshotBytesMax + kOthers : kOthers;
}

std::uint32_t checksum(std::uint32_t before, RecordingBlockKind kind, std::string_view payload) {
  RunDigest digest;
  digest.add(before);
  digest.add(static_cast<std::uint64_t>(kind));
  digest.add(payload);
  return static_cast<std::uint32_t>(digest.value());
}

// --- The start -------------------------------------------------------------

void write_options(const DispatchOptions& options, WireWriter& out) {
  const auto& [requests_max, attempts_max, probe_every, currency, health, queued_max,
               queued_max_per_tenant] = options;
  const auto& [soft_failures_to_open, pause_first, pause_max] = health;
  write(requests_max, out);
  out.byte(attempts_max);
  write(probe_every, out);
  out.raw(currency.text());
  write(soft_failures_to_open, out);
  write(pause_first, out);
  write(pause_max, out);
  write(queued_max, out);
  write(queued_max_per_tenant, out);
}

DispatchOptions read_options(WireReader& in) {
  DispatchOptions options;
  read(options.requests_max, in);
  options.attempts_max = in.byte();
  if (options.attempts_max < 1 || options.attempts_max > kAttemptsMax) in.fail("not attempts_max");
  read(options.probe_every, in);
  const auto currency = ledger::parse_currency(in.raw(options.currency.letters.size()));
  if (currency) {
    options.currency = *currency;
  } else {
    in.fail("not a currency");
  }
  read(options.health.soft_failures_to_open, in);
  read(options.health.pause_first, in);
  read(options.health.pause_max, in);
  read(options.queued_max, in);
  read(options.queued_max_per_tenant, in);
  return options;
}

void write_start(const RecordingStart& start, WireWriter& out) {
  const auto& [options, at, snapshot, journal, position] = start;
  write_options(options, out);
  write_instant(at, Instant(), out);
  write(snapshot, out);
  out.raw({reinterpret_cast<const char*>(journal.bytes.data()), journal.bytes.size()});
  write(position, out);
}

RecordingStart read_start(WireReader& in) {
  RecordingStart start;
  start.options = read_options(in);
  start.at = read_instant(Instant(), in);
  read(start.snapshot, in);
  const std::string_view journal = in.raw(start.journal.bytes.size());
  std::copy(journal.begin(), journal.end(), start.journal.bytes.begin());
  read(start.position, in);
  return start;
}

bool contains(const std::vector<Sha256>& digests, const Sha256& digest) {
  return std::find(digests.begin(), digests.end(), digest) != digests.end();
}

}  // namespace

// --- Writing ---------------------------------------------------------------

RecordingWriter::RecordingWriter(std::string& out, const RecordingStart& start)
    : out_(out), first_snapshot_(start.snapshot), last_(start.at) {
  {
    WireWriter head(out_);
    head.raw(kMagic);
    head.byte(kRecordingVersion);
  }
  {
    WireWriter payload(payload_);
    write_start(start, payload);
  }
  block(RecordingBlockKind::start);
}

void RecordingWriter::block(RecordingBlockKind kind) {
  checksum_ = checksum(checksum_, kind, payload_);
  WireWriter out(out_);
  out.byte(static_cast<std::uint8_t>(kind));
  out.text(payload_);
  out.fixed32(checksum_);
  payload_.clear();
}

void RecordingWriter::entry(const ledger::Entry& entry) {
  HANSE_CHECK(is_of_seal(entry.body) && snapshots_.empty());
  {
    WireWriter payload(payload_);
    write_seal_entry(entry, payload);
  }
  block(RecordingBlockKind::entry);
}

void RecordingWriter::snapshot(const Sha256& digest, std::string_view text) {
  HANSE_CHECK(!snapshots_.empty() || digest == first_snapshot_);
  HANSE_CHECK(text.size() <= kSnapshotBytesMax);
  if (contains(snapshots_, digest)) return;
  snapshots_.push_back(digest);
  {
    WireWriter payload(payload_);
    write(digest, payload);
    payload.text(text);
  }
  block(RecordingBlockKind::snapshot);
}

void RecordingWriter::event(const Event& event, Instant now, std::uint64_t actions_digest) {
  const auto* changed = std::get_if<SnapshotChanged>(&event);
  HANSE_CHECK(!snapshots_.empty());
  HANSE_CHECK(changed == nullptr || contains(snapshots_, changed->snapshot->digest));
  {
    WireWriter payload(payload_);
    write_instant(now, last_, payload);
    write_event(event, payload);
    payload.fixed64(actions_digest);
  }
  last_ = now;
  ++events_;
  block(RecordingBlockKind::event);
}

void RecordingWriter::end() {
  {
    WireWriter payload(payload_);
    payload.varint(events_);
  }
  block(RecordingBlockKind::end);
}

// --- Reading ---------------------------------------------------------------

std::unexpected<Error> RecordingReader::broken(std::size_t at, std::string_view what) const {
  return fail({ErrorCode::broken, Fault::us, Retry::no,
               fmt::format("the recording is damaged at byte {}: {}", at, what)});
}

Result<bool> RecordingReader::end_here(bool cut) {
  cut_ = cut;
  phase_ = Phase::ended;
  return false;
}

std::string_view RecordingReader::out_of_order(RecordingBlockKind kind) const {
  switch (kind) {
    case RecordingBlockKind::start: return phase_ == Phase::start ? "" : "a second start";
    case RecordingBlockKind::entry: return phase_ == Phase::entries ? "" : "an entry out of order";
    case RecordingBlockKind::snapshot:
      return phase_ != Phase::start ? "" : "a snapshot before the start";
    case RecordingBlockKind::event:
      return phase_ == Phase::events ? "" : "an event before the first snapshot";
    case RecordingBlockKind::end: return phase_ == Phase::events ? "" : "an end out of order";
  }
  return "a block of unknown kind";
}

Result<bool> RecordingReader::read_head() {
  if (bytes_.substr(0, kMagic.size()) != kMagic.substr(0, bytes_.size())) {
    return broken(0, "not a recording");
  }
  if (bytes_.size() < kHeadBytes) return end_here(true);
  if (static_cast<std::uint8_t>(bytes_[kMagic.size()]) != kRecordingVersion) {
    return broken(kMagic.size(), "not a recording of version 4");
  }
  offset_ = kHeadBytes;
  return true;
}

Result<bool> RecordingReader::next(RecordedBlock& block) {
  if (phase_ == Phase::ended) return false;
  if (offset_ == 0) {
    const Result<bool> head = read_head();
    if (!head || !*head) return head;
  }
  WireReader frame(bytes_.substr(offset_));
  if (frame.left() == 0) return end_here(true);
  const auto kind = static_cast<RecordingBlockKind>(frame.byte());
  if (const std::string_view wrong = out_of_order(kind); !wrong.empty()) {
    return broken(offset_, wrong);
  }
  const std::uint64_t size = frame.varint();
  if (!frame.ok()) {
    // The length itself is cut, or it is none.
    if (frame.left() == 0) return end_here(true);
    return broken(offset_, "not a length");
  }
  if (size > payload_max(kind)) return broken(offset_, "a block past its bound");
  if (frame.left() < size + kChecksumBytes) return end_here(true);
  const std::size_t payload_at = offset_ + frame.offset();
  const std::string_view payload = frame.raw(size);
  const std::uint32_t expected = checksum(checksum_, kind, payload);
  if (frame.fixed32() != expected) return broken(offset_, "the checksum does not fit");

  WireReader in(payload);
  block = decode(kind, in);
  if (const Status status = in.finish(); !status) {
    return broken(payload_at, status.error().message);
  }
  checksum_ = expected;
  offset_ += frame.offset();
  if (phase_ == Phase::ended && offset_ != bytes_.size()) {
    return broken(offset_, "more bytes after the end");
  }
  return true;
}

RecordedBlock RecordingReader::decode(RecordingBlockKind kind, WireReader& in) {
  switch (kind) {
    case RecordingBlockKind::start: {
      RecordingStart start = read_start(in);
      first_snapshot_ = start.snapshot;
      last_ = start.at;
      phase_ = Phase::entries;
      return start;
    }
    case RecordingBlockKind::entry: return RecordedEntry{read_seal_entry(in)};
    case RecordingBlockKind::snapshot: return decode_snapshot(in);
    case RecordingBlockKind::event: return decode_event(in);
    case RecordingBlockKind::end: break;
  }
  const RecordingEnd end{in.varint()};
  if (end.events != events_) in.fail("another number of events than there are");
  if (in.ok()) phase_ = Phase::ended;
  return end;
}

RecordedSnapshot RecordingReader::decode_snapshot(WireReader& in) {
  RecordedSnapshot snapshot;
  read(snapshot.digest, in);
  snapshot.text = in.text(kSnapshotBytesMax);
  if (snapshots_.empty() && snapshot.digest != first_snapshot_) {
    in.fail("not the snapshot that the start names");
  }
  if (contains(snapshots_, snapshot.digest)) in.fail("a snapshot for the second time");
  if (!in.ok()) return snapshot;
  snapshots_.push_back(snapshot.digest);
  phase_ = Phase::events;
  return snapshot;
}

RecordedEvent RecordingReader::decode_event(WireReader& in) {
  RecordedEvent event;
  event.at = read_instant(last_, in);
  ReadEvent read = read_event(in);
  event.event = std::move(read.event);
  event.snapshot = read.snapshot;
  event.actions_digest = in.fixed64();
  const bool changes = std::holds_alternative<SnapshotChanged>(event.event);
  if (changes && !contains(snapshots_, event.snapshot)) {
    in.fail("a change to a snapshot that is not there");
  }
  if (event.at.monotonic < last_.monotonic) in.fail("an instant that goes backwards");
  if (!in.ok()) return event;
  last_ = event.at;
  ++events_;
  return event;
}

}  // namespace hanse::dispatch
