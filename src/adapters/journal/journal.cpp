#include "adapters/journal/journal.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace hanse::journal {
namespace {

using ledger::Position;

// A turn's block is closed early when it passes this, and written early when
// several have gathered: seals are long, turns are not.
constexpr std::size_t kBlockBodyBytesFull = kBlockBodyBytesMax - kRecordBytesMax;
constexpr std::size_t kBufferBytesFull = std::size_t{4} << 20;

}  // namespace

Journal::Journal(Disk& disk, JournalOptions options, ledger::Ledger& ledger,
                 std::unique_ptr<DirectoryLock> lock)
    : disk_(disk),
      options_(std::move(options)),
      ledger_(ledger),
      lock_(std::move(lock)),
      flusher_(disk, options_.directory, options_.flush_interval, options_.on_durable) {}

Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(Disk& disk, JournalOptions options,
                                               ledger::Ledger& ledger, WallTime now) {
  HANSE_CHECK(ledger.position() == Position(0));
  if (auto made = disk.create_directory(options.directory); !made) {
    return std::unexpected(std::move(made.error()));
  }
  auto lock = disk.lock(options.directory + "/" + std::string(kLockName));
  if (!lock) return std::unexpected(std::move(lock.error()));
  std::unique_ptr<Journal> journal(new Journal(disk, std::move(options), ledger, std::move(*lock)));
  if (auto begun = journal->begin(now); !begun) return std::unexpected(std::move(begun.error()));
  return journal;
}

Status Journal::begin(WallTime now) {
  auto recovered = recover(disk_, options_.directory, ledger_, options_.known_end);
  if (!recovered) return std::unexpected(std::move(recovered.error()));
  if (auto done = *recovered ? continue_segment(**recovered) : start_first_segment(now); !done) {
    return done;
  }
  return start_epoch(std::max(now, ledger_.last_at()));
}

Status Journal::start_first_segment(WallTime now) {
  disk_.random(id_.bytes);
  return begin_segment({.journal = id_,
                        .number = SegmentNumber(1),
                        .first = Position(1),
                        .epoch = ledger::Epoch(1),
                        .begun_at = now,
                        .previous = {},
                        .machine_boot = disk_.machine_boot()});
}

Status Journal::continue_segment(const Recovered& recovered) {
  recovery_ = recovered.report;
  segment_ = recovered.segment;
  id_ = segment_.journal;
  chain_ = recovered.chain;
  appended_ = recovered.last;
  written_.store(appended_.count());
  entries_bytes_ = recovered.entries_bytes;
  payload_bytes_ = recovered.payload_bytes;

  if (auto done = sync_what_was_found(); !done) return done;
  auto entries = disk_.open_append(path(entries_name(segment_.number)));
  if (!entries) return std::unexpected(std::move(entries.error()));
  // The payload file may be longer, when the process died between the two
  // writes, or shorter or gone, when it was erased or power was lost. Either
  // way the next payload goes to where the chain says.
  const std::string payload_path = path(payloads_name(segment_.number));
  auto payloads = disk_.open_append(payload_path);
  if (!payloads) {
    payloads = disk_.create(payload_path);
    if (!payloads) return std::unexpected(std::move(payloads.error()));
    std::array<std::uint8_t, kPayloadFileHeaderBytes> header{};
    encode_payload_file_header(segment_, header);
    if (auto done = append_all(**payloads, header); !done) return done;
  }
  if (auto done = disk_.truncate(payload_path, payload_bytes_); !done) return done;
  entries_ = entries->get();
  payloads_ = payloads->get();
  flusher_.begin_segment(std::move(*entries), std::move(*payloads), appended_);
  return {};
}

// What a killed process left may still stand in the system's memory only, and
// the next block will call it durable.
Status Journal::sync_what_was_found() {
  for (auto number = segment_.number - SegmentNumber(1); number <= segment_.number;
       number += SegmentNumber(1)) {
    for (const std::string& name : {payloads_name(number), entries_name(number)}) {
      auto file = disk_.open_append(path(name));
      if (!file && file.error().code == ErrorCode::not_found) continue;
      if (!file) return std::unexpected(std::move(file.error()));
      if (auto done = (*file)->sync(); !done) return done;
    }
  }
  return disk_.sync_directory(options_.directory);
}

Status Journal::start_epoch(WallTime now) {
  const ledger::Epoch epoch = ledger_.epoch() + ledger::Epoch(1);
  if (epoch > ledger::kEpochMax) {
    return fail({ErrorCode::at_capacity, Fault::us, Retry::no,
                 options_.directory + ": the journal has been opened as often as it can be; "
                                      "keep it and begin a new one"});
  }
  boot_ = disk_.machine_boot();
  const ledger::Entry entry{.at = now,
                            .body = ledger::EpochStarted{.epoch = epoch, .machine_boot = boot_}};
  HANSE_CHECK(ledger_.apply(entry).has_value());
  append(entry);
  ledger_.close_open_requests_after_crash(now, *this);
  if (auto done = write(); !done) return done;
  // The epoch names the machine's boot, by which the next start tells a loss
  // of power from damage, so it must not itself be lost with the power.
  return flusher_.wait_until_durable();
}

// Leaves nothing behind when it fails.
Status Journal::begin_segment(SegmentHeader header) {
  const SegmentNumber number = header.number;
  Status made = make_segment(std::move(header));
  if (!made) {
    for (const std::string& name : {payloads_name(number), entries_name(number)}) {
      static_cast<void>(disk_.remove(path(name)));
    }
  }
  return made;
}

Status Journal::make_segment(SegmentHeader header) {
  auto entries = disk_.create(path(entries_name(header.number)));
  if (!entries) return std::unexpected(std::move(entries.error()));
  auto payloads = disk_.create(path(payloads_name(header.number)));
  if (!payloads) return std::unexpected(std::move(payloads.error()));
  std::array<std::uint8_t, kPayloadFileHeaderBytes> payload_head{};
  encode_payload_file_header(header, payload_head);
  if (auto done = append_all(**payloads, payload_head); !done) return done;
  std::array<std::uint8_t, kSegmentHeaderBytes> head{};
  encode(header, head);
  if (auto done = append_all(**entries, head); !done) return done;

  segment_ = std::move(header);
  chain_ = chain_of(head);
  entries_bytes_ = head.size();
  payload_bytes_ = payload_head.size();
  entries_ = entries->get();
  payloads_ = payloads->get();
  flusher_.begin_segment(std::move(*entries), std::move(*payloads), appended_);
  return {};
}

Position Journal::append(const ledger::Entry& entry) { return append(entry, {}); }

Position Journal::append(const ledger::Entry& entry, std::span<const std::uint8_t> payload) {
  HANSE_CHECK(payload.size() <= kPayloadBytesMax);
  // Nothing that could no longer be written may pile up.
  if (failed_.load(std::memory_order_relaxed)) return appended_ += Position(1);
  make_room();
  begin_block();
  appended_ += Position(1);
  PayloadMark mark;
  if (!payload.empty()) {
    const auto salt = draw_salt();
    mark = {.salted_digest = salted_digest(salt, payload),
            .bytes = static_cast<std::uint32_t>(payload.size())};
    std::array<std::uint8_t, kPayloadHeaderBytes> head{};
    encode(PayloadHeader{.erased = false, .bytes = mark.bytes, .position = appended_, .salt = salt},
           head);
    payload_buffer_.insert(payload_buffer_.end(), head.begin(), head.end());
    payload_buffer_.insert(payload_buffer_.end(), payload.begin(), payload.end());
  }
  buffered_ += encode(entry, payload.empty() ? nullptr : &mark,
                      std::span(buffer_).subspan(buffered_).first<kRecordBytesMax>());
  ++block_.entries;
  return appended_;
}

// Ends the open block when it is full, and writes when several have gathered.
void Journal::make_room() {
  const bool long_payloads = payload_buffer_.size() > kBufferBytesFull;
  const std::size_t body = buffered_ - block_begin_;
  if (block_open_ && (long_payloads || body > kBlockBodyBytesFull)) finish_block();
  if (!block_open_ && !writing_ && (long_payloads || buffered_ > kBufferBytesFull)) {
    // A failure is kept for the next `write`.
    (void)stop(write_buffers());
  }
}

void Journal::begin_block() {
  if (!block_open_) {
    block_open_ = true;
    block_begin_ = buffered_;
    buffered_ += kBlockHeaderBytes;
    block_ = {.body_bytes = 0,
              .entries = 0,
              .first = appended_ + Position(1),
              .durable = {},
              .payload_begin = payload_bytes_ + payload_buffer_.size()};
  }
  const std::size_t needed = buffered_ + kRecordBytesMax + kBlockTrailerBytes;
  if (buffer_.size() < needed) buffer_.resize(std::max(2 * needed, std::size_t{1} << 16U));
}

void Journal::finish_block() {
  if (!block_open_) return;
  block_.body_bytes = static_cast<std::uint32_t>(buffered_ - block_begin_ - kBlockHeaderBytes);
  block_.durable = flusher_.durable();
  buffered_ += kBlockTrailerBytes;
  chain_ = journal::finish_block(
      block_, chain_, std::span(buffer_).subspan(block_begin_, buffered_ - block_begin_));
  finished_ = block_.first + Position(block_.entries) - Position(1);
  block_open_ = false;
}

Status Journal::write() {
  HANSE_CHECK(!writing_);
  if (failed()) return status();
  finish_block();
  take_out();
  if (auto done = stop(put_out_covered()); !done) return done;
  if (may_leave_segment()) return stop(leave_segment());
  if (entries_bytes_ >= 3 * options_.segment_bytes) {
    return stop(internal_error(
        fmt::format("the ledger stands at entry {} and the journal at {}: one of them missed some",
                    ledger_.position().count(), appended_.count())));
  }
  return {};
}

bool Journal::may_leave_segment() const {
  const bool full = entries_bytes_ >= options_.segment_bytes ||
                    payload_bytes_ >= options_.payload_segment_bytes ||
                    elapsed(segment_.begun_at, ledger_.last_at()) >= options_.segment_time;
  if (!full || entries_bytes_ < leave_at_) return false;
  // Files are made in place, so not now, unless it is long overdue.
  if (flusher_.stands() && entries_bytes_ < 2 * options_.segment_bytes) return false;
  // What was appended during the write still belongs to this segment; and a seal
  // says what the ledger says, so the two must stand at the same entry.
  return buffered_ == 0 && ledger_.position() == appended_;
}

Status Journal::leave_segment() {
  const SegmentHeader next{.journal = id_,
                           .number = segment_.number + SegmentNumber(1),
                           .first = appended_ + Position(1),
                           .epoch = ledger_.epoch(),
                           .begun_at = ledger_.last_at(),
                           .previous = chain_,
                           .machine_boot = boot_};
  if (auto begun = begin_segment(next); !begun) {
    // No descriptor is left, say. Nothing has been lost: this segment goes on
    // for a while, and longer than wanted.
    if (entries_bytes_ >= 2 * options_.segment_bytes) return begun;
    leave_at_ = entries_bytes_ + options_.segment_bytes / 16;
    return {};
  }
  leave_at_ = 0;
  ledger_.seal(ledger_.last_at(), *this);
  finish_block();
  return write_buffers();
}

Status Journal::write_buffers() {
  take_out();
  return put_out();
}

// Requires: no block is open.
void Journal::take_out() {
  outgoing_.blocks.swap(buffer_);
  outgoing_.block_bytes = std::exchange(buffered_, 0);
  outgoing_.payloads.swap(payload_buffer_);
  outgoing_.last = finished_;
  payload_bytes_ += outgoing_.payloads.size();
  entries_bytes_ += outgoing_.block_bytes;
}

Status Journal::put_out_covered() {
  if (!options_.cover || outgoing_.block_bytes == 0) return put_out();
  Status done;
  writing_ = true;
  options_.cover([this, &done] { done = put_out(); });
  writing_ = false;
  return done;
}

// Payloads first: an entry never speaks of one that is not there.
Status Journal::put_out() {
  if (auto done = append_all(*payloads_, outgoing_.payloads); !done) return done;
  bytes_written_ += outgoing_.payloads.size();
  outgoing_.payloads.clear();
  if (outgoing_.block_bytes == 0) return {};
  const auto blocks = std::span(outgoing_.blocks).first(outgoing_.block_bytes);
  if (auto done = append_all(*entries_, blocks); !done) return done;
  bytes_written_ += outgoing_.block_bytes;
  written_.store(outgoing_.last.count(), std::memory_order_release);
  flusher_.written(outgoing_.last);
  return {};
}

Status Journal::append_all(AppendFile& file, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto n = file.append(bytes);
    if (!n) return std::unexpected(n.error());
    bytes = bytes.subspan(*n);
  }
  return {};
}

// Remembers the first failure for ever.
Status Journal::stop(Status failure) {
  if (failure || failed_.load(std::memory_order_relaxed)) return failure;
  status_ = failure;
  failed_.store(true);
  buffered_ = 0;
  block_open_ = false;
  payload_buffer_.clear();
  outgoing_.payloads.clear();
  return failure;
}

Status Journal::status() const { return failed_.load() ? status_ : flusher_.status(); }

Status Journal::close() {
  if (auto done = write(); !done) return done;
  if (auto done = flusher_.wait_until_durable(); !done) return done;
  // A block without entries, for what it says about those before it.
  begin_block();
  finish_block();
  if (auto done = stop(write_buffers()); !done) return done;
  return entries_->sync();
}

std::array<std::uint8_t, 16> Journal::draw_salt() {
  if (salts_used_ == salts_.size()) {
    disk_.random(salts_);
    salts_used_ = 0;
  }
  std::array<std::uint8_t, 16> salt{};
  std::copy_n(salts_.begin() + static_cast<std::ptrdiff_t>(salts_used_), salt.size(), salt.begin());
  salts_used_ += salt.size();
  return salt;
}

std::string Journal::path(const std::string& name) const { return options_.directory + "/" + name; }

}  // namespace hanse::journal
