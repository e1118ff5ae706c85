#include "drivers/replay/recording_check.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/dispatch/dispatch.h"
#include "core/dispatch/event_codec.h"
#include "core/dispatch/recording.h"
#include "core/fleet/health_news.h"
#include "core/fleet/site_slots.h"
#include "core/ledger/budget.h"
#include "drivers/replay/action_words.h"

namespace hanse::replay {
namespace {

using dispatch::Dispatch;

// A table of more is damage and not worth the memory.
constexpr std::uint32_t kRequestsMax = 1'000'000;

std::unexpected<Error> broken(std::string message) {
  return fail({ErrorCode::broken, Fault::us, Retry::no, std::move(message)});
}

class Checker {
 public:
  explicit Checker(const SnapshotLoader& load) : load_(load) {}

  Status take(const dispatch::RecordingStart& start);
  Status take(const dispatch::RecordedEntry& entry);
  Status take(const dispatch::RecordedSnapshot& snapshot);
  Status take(const dispatch::RecordedEvent& event);
  Status take(const dispatch::RecordingEnd&) { return {}; }

  [[nodiscard]] RecordingReport& report() { return report_; }

 private:
  Status fits(const dispatch::RecordedEvent& event) const;
  // Decides, and keeps what was decided only if it is not what was recorded.
  void decide(const dispatch::Event& event, const dispatch::RecordedEvent& recorded);
  void note(const dispatch::Action& action);

  const SnapshotLoader& load_;
  dispatch::RecordingStart start_;
  ledger::Ledger ledger_;
  ledger::Treasurer treasurer_;
  fleet::SlotOwner slots_;
  fleet::NobodyElse nobody_else_;
  std::vector<dispatch::SnapshotRef> snapshots_;
  std::unique_ptr<Dispatch> dispatch_;
  std::vector<bool> in_use_;  // slots
  Instant last_;
  std::vector<dispatch::Action> decided_;  // of the event under way
  RecordingReport report_;
};

Status Checker::take(const dispatch::RecordingStart& start) {
  if (start.options.requests_max > kRequestsMax) {
    return broken(fmt::format("{} requests at once are more than any gateway has",
                              start.options.requests_max));
  }
  start_ = start;
  last_ = start.at;
  in_use_.resize(start.options.requests_max);
  if (start.position < ledger::Position(1)) {
    return broken("the recording begins with a ledger that nobody has opened");
  }
  ledger_.begin_at(start.position);
  return {};
}

Status Checker::take(const dispatch::RecordedEntry& entry) {
  const auto applied = ledger_.apply(entry.entry);
  if (!applied) return broken("the recorded ledger is none: " + applied.error().message);
  return {};
}

Status Checker::take(const dispatch::RecordedSnapshot& snapshot) {
  auto loaded = load_(snapshot.text);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  if ((*loaded)->digest != snapshot.digest) {
    return broken(fmt::format(
        "a recorded configuration has the digest {} now and had {} then: it was recorded by "
        "another version, or by hand",
        to_hex((*loaded)->digest), to_hex(snapshot.digest)));
  }
  snapshots_.push_back(*std::move(loaded));
  if (dispatch_ != nullptr) return {};
  if (ledger_.restoring() || ledger_.epoch() == ledger::Epoch()) {
    return broken("the recorded ledger is not whole");
  }
  dispatch_ = std::make_unique<Dispatch>(
      snapshots_.front(), ledger_,
      dispatch::Ports{.budget = treasurer_, .slots = slots_, .health = nobody_else_},
      start_.options, start_.at);
  return {};
}

Status Checker::fits(const dispatch::RecordedEvent& recorded) const {
  if (const auto* arrived = std::get_if<dispatch::Arrived>(&recorded.event)) {
    const std::uint32_t slot = arrived->request.slot;
    if (slot < in_use_.size() && in_use_[slot]) {
      return broken(fmt::format("event {} gives slot {} to a request while another has it",
                                report_.events + 1, slot));
    }
  }
  return dispatch::check_event(recorded.event, dispatch_->snapshot(), start_.options);
}

Status Checker::take(const dispatch::RecordedEvent& recorded) {
  if (recorded.at.wall < last_.wall) return broken("a recorded wall clock goes backwards");
  dispatch::Event event = recorded.event;
  if (auto* changed = std::get_if<dispatch::SnapshotChanged>(&event)) {
    // The reader has seen to it that there is one.
    for (const dispatch::SnapshotRef& snapshot : snapshots_) {
      if (snapshot->digest == recorded.snapshot) changed->snapshot = snapshot;
    }
  } else if (const Status fitting = fits(recorded); !fitting) {
    return fitting;
  }
  if (const auto* arrived = std::get_if<dispatch::Arrived>(&event)) {
    in_use_[arrived->request.slot] = true;
  }
  report_.lasted = elapsed(start_.at.monotonic, recorded.at.monotonic);
  last_ = recorded.at;
  ++report_.events;
  decide(event, recorded);
  return {};
}

void Checker::decide(const dispatch::Event& event, const dispatch::RecordedEvent& recorded) {
  RunDigest digest;
  decided_.clear();
  dispatch::Actions actions;
  auto progress = dispatch_->on(event, recorded.at, actions);
  while (true) {
    for (const dispatch::Action& action : actions) {
      dispatch::add_to(digest, action);
      note(action);
    }
    if (progress == Dispatch::Progress::done) break;
    actions.clear();
    progress = dispatch_->more(actions);
  }
  report_.actions += decided_.size();
  if (digest.value() == recorded.actions_digest) return;
  report_.difference = {.event = report_.events,
                        .at = recorded.at,
                        .kind = std::string(dispatch::kind_name(event)),
                        .recorded = recorded.actions_digest,
                        .decided = digest.value(),
                        .actions = {}};
  for (const dispatch::Action& action : decided_) {
    report_.difference->actions.push_back(describe(action));
  }
}

void Checker::note(const dispatch::Action& action) {
  decided_.push_back(action);
  if (const auto* finish = std::get_if<dispatch::Finish>(&action)) {
    in_use_[finish->request.slot] = false;
  } else if (const auto* refuse = std::get_if<dispatch::Refuse>(&action)) {
    in_use_[refuse->request.slot] = false;
  } else if (const auto* forget = std::get_if<dispatch::Forget>(&action)) {
    in_use_[forget->request.slot] = false;
  }
}

}  // namespace

Result<RecordingReport> check_recording(std::string_view bytes, const SnapshotLoader& load) {
  dispatch::RecordingReader reader(bytes);
  Checker checker(load);
  dispatch::RecordedBlock block;
  while (checker.report().same()) {
    const Result<bool> more = reader.next(block);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    const Status taken = std::visit([&](const auto& what) { return checker.take(what); }, block);
    if (!taken) return std::unexpected(taken.error());
  }
  if (checker.report().events == 0) return broken("the recording holds no event to decide again");
  checker.report().cut = reader.cut();
  return std::move(checker.report());
}

std::string describe(const RecordingReport& report) {
  std::string text = fmt::format("{} events, {} actions, {}: ", report.events, report.actions,
                                 to_string(report.lasted));
  if (report.same()) {
    text += report.cut ? "decided alike, up to where the recording is cut\n" : "decided alike\n";
    return text;
  }
  const RecordingReport::Difference& difference = *report.difference;
  text += fmt::format(
      "event {} ({} at {}) is decided differently\n"
      "  recorded: actions of the digest {:016x}\n  now:      actions of the digest {:016x}\n",
      difference.event, difference.kind, to_iso8601(difference.at.wall), difference.recorded,
      difference.decided);
  for (const std::string& action : difference.actions) text += "    " + action + "\n";
  return text;
}

}  // namespace hanse::replay
