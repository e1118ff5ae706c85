#include "drivers/serve/kept_records.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <variant>

#include "adapters/config/load.h"
#include "adapters/config/snapshot.h"
#include "adapters/journal/find_request.h"
#include "adapters/journal/payloads.h"
#include "core/dispatch/record_codec.h"
#include "drivers/serve/surroundings.h"

namespace hanse::serve {
namespace {

std::unexpected<Error> gone(std::string message) {
  return fail({ErrorCode::not_found, Fault::client, Retry::no, std::move(message)});
}

std::unexpected<Error> damaged(std::string message) {
  return fail({ErrorCode::broken, Fault::us, Retry::no, std::move(message)});
}

// The bytes of the record that lies beside the entry.
Result<std::string> read_bytes(journal::Disk& disk, const BooksFiles& files,
                               const journal::PlacedRecord& end, const std::string& id) {
  const std::int64_t entry = end.position.count();
  if (const auto* lost = std::get_if<ledger::RequestLost>(&end.record.entry.body)) {
    return gone(fmt::format(
        "{} was under way when the gateway was killed, so it has no record; what it came to is "
        "entry {}: charged {}, in doubt {}",
        id, entry, to_decimal(lost->charged), to_decimal(lost->in_doubt)));
  }
  if (!end.payload) return gone(fmt::format("entry {}, which ends {}, has no record", entry, id));
  auto payload = journal::read_payload(disk, files.journal.string(), *end.payload);
  if (!payload) return std::unexpected(std::move(payload.error()));
  switch (payload->state) {
    case journal::Payload::State::kept: break;
    case journal::Payload::State::erased:
      return gone(fmt::format(
          "the record of {} has been erased, for its time (records.retention) or its room "
          "(records.bytes_max) was over; what the request cost still stands at entry {}",
          id, entry));
    case journal::Payload::State::missing:
      return gone(fmt::format(
          "the record of {} is gone: it did not survive a loss of power, or somebody removed its "
          "file; what the request cost still stands at entry {}",
          id, entry));
  }
  return std::string(payload->bytes.begin(), payload->bytes.end());
}

struct KeptConfiguration {
  dispatch::SnapshotRef snapshot;
  ledger::Currency currency;
};

Result<KeptConfiguration> read_configuration(const BooksFiles& files, const Sha256& digest,
                                             WallTime at, const std::string& id) {
  const std::string path = snapshot_file(files, digest).string();
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return gone(fmt::format(
        "the record of {} is there, but not the configuration under which it was decided: {} "
        "cannot be read",
        id, path));
  }
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  config::Surroundings around = surroundings();
  around.now = at;
  const config::Loaded loaded = config::load_text(path, text, around);
  if (loaded.configuration == nullptr) {
    return damaged(
        fmt::format("the configuration under which {} was decided does not load any more:\n{}", id,
                    config::render(loaded.diagnostics, config::Colour::off)));
  }
  // The text's own, for what is left out of it may have another default by now.
  if (sha256(text) != digest) {
    return damaged(fmt::format(
        "{} has been changed: it is not the configuration under which {} was decided", path, id));
  }
  auto currency = ledger::parse_currency(loaded.configuration->gateway.currency);
  if (!currency) return std::unexpected(std::move(currency.error()));
  return KeptConfiguration{.snapshot = config::make_snapshot(*loaded.configuration),
                           .currency = *currency};
}

}  // namespace

const gate::Gate& RecordViewer::gate_of(const dispatch::SnapshotRef& snapshot) {
  if (snapshot_ != snapshot) {
    gate_.reset();
    snapshot_ = snapshot;
  }
  if (!gate_) {
    gate_.emplace(snapshot->catalog, snapshot->fleet, snapshot->policies, snapshot->labels);
  }
  return *gate_;
}

Result<telemetry::RecordView> RecordViewer::view(std::string_view record,
                                                 const dispatch::SnapshotRef& snapshot,
                                                 const ledger::RequestId& request,
                                                 ledger::Currency currency) {
  auto read = dispatch::read_record(record);
  if (!read) return std::unexpected(std::move(read.error()));
  if (const Status sound = dispatch::check_record(read->record, *snapshot); !sound) {
    return std::unexpected(sound.error());
  }
  const gate::Gate& gate = gate_of(snapshot);
  const limits::Tenant& tenant = snapshot->tenants.tenants[read->record.tenant];
  const auto verdicts = gate.explain({.policy = tenant.policy, .labels = read->record.labels},
                                     read->record.arrived_at.wall);
  return telemetry::make_view(read->record, read->extras, *snapshot, verdicts, request, currency);
}

Result<telemetry::RecordView> find_record(journal::Disk& disk, const BooksFiles& files,
                                          const ledger::RequestId& request) {
  const std::string id = ledger::to_string(request);
  const auto end = journal::find_request_end(disk, files.journal.string(), request);
  if (!end) return std::unexpected(end.error());
  const auto bytes = read_bytes(disk, files, *end, id);
  if (!bytes) return std::unexpected(bytes.error());
  const auto head = dispatch::read_record_head(*bytes);
  if (!head) return std::unexpected(head.error());
  if (head->number != request.number) {
    return damaged(fmt::format("the record beside entry {} is of another request than {}",
                               end->position.count(), id));
  }
  const auto configuration = read_configuration(files, head->snapshot, head->arrived_at, id);
  if (!configuration) return std::unexpected(configuration.error());
  return RecordViewer().view(*bytes, configuration->snapshot, request, configuration->currency);
}

}  // namespace hanse::serve
