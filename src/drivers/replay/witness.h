// src/drivers/replay/witness.h
// What must hold whatever happens, looked at after every action.
//
// The witness stands where a driver stands: it sees the events that go into
// dispatch and the actions that come out, keeps books of its own from the
// entries alone, and asks a gate of its own. It complains in full sentences;
// a run without a complaint has kept every rule below.
//
// * An attempt goes only to a site of its alias that the gate permits at that
//   instant, one after the other, within the time that is left; to each site
//   once, and once more only after a failure that may pass.
// * Where the class asks for hedges there may be two for a while: one hedge a
//   request, beside one that is later than was foretold, at another supplier's site,
//   before anything has been released, and within the class's budget. When one
//   of the two has answered, or the request ends, the other is given up at once.
// * No site is asked or probed beyond its allowance (SiteWatch). After a failure
//   that every site would repeat no other is asked, after one of a context that
//   is too short only longer ones.
// * What a client reads is the beginning of one answer: nothing begins anew once
//   it has a part, only engines that can go on from it, and none against the
//   tenant's wish.
// * Every entry is accepted by a second ledger, and comes before what depends
//   on it; accounts sum to zero; nobody's debts and holds pass a budget.
// * No token leaves before it was released, none is released past a watermark, and
//   none is confirmed that has not left.
// * What is open at a site is counted, also across changes of the snapshot.
// * A request ends once, within its class's time limit, with its hold ended,
//   and nothing is said about it afterwards. One entry closes it, whatever it
//   ends as, and says of a refusal what the record says. None is forgotten.
// * Who waits for a site that has room goes when any event makes some, or is told
//   that there is none; no more wait than may, and nobody longer than its class
//   lets it.
// * When all is quiet nothing is left: no hold, no attempt, no load.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "core/dispatch/dispatch.h"
#include "core/gate/gate.h"
#include "core/ledger/ledger.h"
#include "drivers/replay/site_watch.h"

namespace hanse::replay {

struct WitnessOptions {
  dispatch::DispatchOptions dispatch;
  bool keeps_entries = false;  // for whoever looks at the journal afterwards
};

class Witness {
 public:
  static constexpr std::size_t kComplaintsMax = 16;

  // Requires: `books` is a ledger at the same entry as the one that dispatch
  // began with.
  Witness(dispatch::SnapshotRef snapshot, ledger::Ledger books, const WitnessOptions& options);

  // An event is about to go in.
  void event(const dispatch::Event& event, const dispatch::Dispatch& dispatch, Instant now);
  // An action came out of it.
  void action(const dispatch::Action& action, const dispatch::Dispatch& dispatch, Instant now);
  // All actions of the event are out.
  void done(const dispatch::Dispatch& dispatch);
  // So many tokens of the answer have been handed to the client's connection in
  // all, and so many the client has taken.
  void handed(dispatch::RequestRef request, Tokens output);
  void left(dispatch::RequestRef request, Tokens output);
  // An attempt begins the answer anew; `is_delivered` says that the client has
  // been given a part of one.
  void begins_anew(dispatch::RequestRef request, bool is_delivered);
  // It goes on from there; `engine_can` says that its engine is known to.
  void continues(dispatch::RequestRef request, bool engine_can);
  // For rules that the driver watches itself.
  void complain(std::string complaint);
  // Nothing will happen any more.
  void quiet(const dispatch::Dispatch& dispatch);

  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  [[nodiscard]] const ledger::Ledger& books() const { return books_; }
  // All that have come, in order, if they are kept.
  [[nodiscard]] const std::vector<ledger::Entry>& entries() const { return entries_; }

 private:
  struct Watched {
    dispatch::RequestRef ref;
    bool open = false;
    bool streamed = false;
    bool attempt_written = false;  // its entry has come, its action not yet
    bool watermarked = false;      // so has a watermark of it
    bool something_left = false;   // for the client, or may any time
    bool closed = false;           // by its last entry
    bool hedged = false;
    std::optional<ledger::Refusal> refused;
    std::uint8_t attempts = 0;
    bool let_in = false;         // something has been set aside for it
    std::uint64_t moved_in = 0;  // the event in which it went on although not its own
    MonotonicTime deadline;
    VariantId answered_by;  // the last attempt that had a first token
    struct Tried {
      SiteId site;
      VariantId variant;
      bool continued = false;  // it was to go on with the answer
      answer::Failure failure = answer::Failure::none;
    };
    std::vector<Tried> tried;
    struct Open {
      std::uint8_t attempt = 0;
      std::string site;
      bool answers = false;
    };
    std::vector<Open> under_way;
    Tokens handed{0};     // to the client's connection, over all attempts
    Tokens left{0};       // taken from it
    Tokens may_leave{0};  // over all attempts, by the last watermark
    Tokens released{0};
  };
  struct Judge {
    dispatch::SnapshotRef snapshot;  // keeps what the gate reads
    std::unique_ptr<gate::Gate> gate;
  };
  struct ActionVisitor;

  void entry(const ledger::Entry& entry, const dispatch::Dispatch& dispatch);
  void open_attempt(const dispatch::OpenAttempt& action, const dispatch::Dispatch& dispatch,
                    Instant now);
  void attempt_is_lawful(const dispatch::OpenAttempt& action, const dispatch::Dispatch& dispatch,
                         Instant now);
  void hedge_is_right(Watched& request, const dispatch::OpenAttempt& action,
                      const dispatch::Dispatch& dispatch, Instant now);
  void attempt_may_help(const Watched& request, const dispatch::OpenAttempt& action,
                        const dispatch::Dispatch& dispatch);
  void attempt_is_in_time(const dispatch::OpenAttempt& action, const dispatch::Dispatch& dispatch,
                          Instant now);
  void release(const dispatch::Release& action, const dispatch::Dispatch& dispatch);
  void end(dispatch::RequestRef request, const dispatch::Action& action,
           const dispatch::Dispatch& dispatch, Instant now);
  void attempt_ends(const dispatch::AttemptEnded& ended, const dispatch::Dispatch& dispatch,
                    Instant now);
  void nobody_is_forgotten(Instant now);
  void bill_is_right(const dispatch::Record& record);
  void budgets_hold(std::string_view receivable);
  void attempts_are_counted(const dispatch::Dispatch& dispatch);
  void nothing_is_left(const dispatch::Dispatch& dispatch);

  bool is_of(const ledger::EntryBody& body, dispatch::RequestRef request,
             const dispatch::Dispatch& dispatch);
  Watched& watched(dispatch::RequestRef request);
  // Whether the event under way may move it: it is its own, or it waits.
  bool may_move(Watched& request);
  // The attempt, if it is under way.
  Watched::Open* under_way(dispatch::RequestRef request, std::uint8_t attempt);
  void close(Watched& request, std::uint8_t attempt);
  // The open request with this number, if the event under way may move it.
  Watched* booked(ledger::RequestNumber number, const dispatch::Dispatch& dispatch);
  // The request, if it is open and the event under way may move it.
  Watched* subject(dispatch::RequestRef request, std::string_view what);
  const gate::Gate& judge(const dispatch::Snapshot& snapshot);
  void expect(bool holds, dispatch::RequestRef request, std::string_view rule);

  dispatch::SnapshotRef snapshot_;  // the newest
  ledger::Ledger books_;
  WitnessOptions options_;
  SiteWatch sites_;
  std::vector<ledger::Entry> entries_;
  std::vector<Judge> judges_;
  std::vector<Watched> watched_;                                             // by slot
  std::vector<std::pair<ledger::RequestNumber, ledger::HoldOpened>> holds_;  // open ones
  dispatch::RequestRef about_;  // what the event under way is about
  bool about_request_ = false;
  bool about_any_ = false;  // of those that wait: a time has come
  bool leaves_ = false;     // its client does
  std::uint64_t events_ = 0;
  // By latency class: what its requests have earned, less what they have spent.
  std::map<std::string, std::int64_t, std::less<>> hedge_millionths_;
  std::vector<std::string> complaints_;
};

}  // namespace hanse::replay
