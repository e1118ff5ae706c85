// src/core/dispatch/dispatch.h
// The one state machine: (event, instant) -> actions.
//
// A request arrives, is gated, held for, placed and sent; fails over to the
// next permitted site until it is answered or nothing is left; is settled and
// recorded. The same object code decides live and in virtual time.
//
//            Arrived
//               |            no permit, no budget, no site
//            [deciding] --------------------------------> Refuse
//               |       no room      <-------> [queued]      | too late
//               | OpenAttempt      ^
//               v                  | AttemptEnded(failure): anew
//           [waiting] -------------+<--------------------- [pausing]
//               | FirstToken       |                           ^
//               v                  | AttemptEnded(failure):    | no site is left
//          [answering] ------------+ continued or repeated     | but one that may
//               | AttemptEnded(none)                           | do better soon
//               v                  nothing helps: Refuse, as a status or an error event
//            Finish
//
// Where a latency class asks for it, an attempt whose first token is late gets a
// second one beside it, a hedge; the first of the two to answer goes on, the
// other is given up. At no other time is more than one attempt under way.
//
// Before the first byte nothing is visible to the client, so another site may
// begin anew. After it the next attempt goes on from what was delivered, at an
// engine that is known to do so, or repeats the answer for its remainder; see
// answer::TakeUp. What follows from which failure stands in failure_table.h.
//
// Plain state: no I/O, no clock, no threads. Bounded by `requests_max`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/dispatch/action.h"
#include "core/dispatch/event.h"
#include "core/dispatch/hedge_book.h"
#include "core/dispatch/record.h"
#include "core/dispatch/snapshot.h"
#include "core/dispatch/world.h"
#include "core/fleet/drill_book.h"
#include "core/fleet/health.h"
#include "core/fleet/health_news.h"
#include "core/fleet/missing_models.h"
#include "core/fleet/room_book.h"
#include "core/fleet/sign_book.h"
#include "core/fleet/site_slots.h"
#include "core/fleet/wait_book.h"
#include "core/ledger/budget.h"
#include "core/ledger/hold_book.h"
#include "core/ledger/ledger.h"
#include "core/limits/fair_queue.h"
#include "core/limits/rate_limiter.h"

namespace hanse::dispatch {

struct Request;

struct DispatchOptions {
  std::uint32_t requests_max = 10'000;  // open at once
  std::uint8_t attempts_max = 4;        // of one request, at most kAttemptsMax
  Duration probe_every = seconds(1);
  ledger::Currency currency{{'E', 'U', 'R'}};
  fleet::HealthOptions health;
  // Requests that wait here, for no site has room; zero: none.
  std::uint32_t queued_max = 1'024;
  std::uint32_t queued_max_per_tenant = 256;
};

// All that a shard shares with others, each behind a port: it is asked or told
// and never waited for.
struct Ports {
  ledger::Budget& budget;
  fleet::SiteSlots& slots;
  fleet::HealthNews& health;
};

class Dispatch {
 public:
  enum class Progress : std::uint8_t {
    done,
    more,  // the buffer is full: empty it and call more()
  };

  // Requires: `ledger` has started an epoch and is not restoring; nobody else
  // applies entries to it but the journal's seals. `ledger` and what `ports`
  // name outlive the dispatch. Its first actions come with the first event.
  Dispatch(SnapshotRef snapshot, ledger::Ledger& ledger, const Ports& ports,
           DispatchOptions options, Instant now);
  ~Dispatch();
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  // Requires: `actions` is empty; instants do not go backwards; a request's
  // slot is below `requests_max` and not in use when it arrives.
  Progress on(const Event& event, Instant now, Actions& actions);
  Progress more(Actions& actions);

  // Valid until the slot is used again.
  [[nodiscard]] const Record& record(RequestRef request) const;
  // The snapshot a request began with. Likewise, and for this and the
  // next not longer than a minute after the request's end.
  [[nodiscard]] const Snapshot& snapshot_of(RequestRef request) const;
  // All sites with all reasons, as the gate saw them when the request came.
  [[nodiscard]] std::vector<gate::Verdict> explain(RequestRef request) const;

  [[nodiscard]] const Snapshot& snapshot() const;
  [[nodiscard]] SnapshotRef shared_snapshot() const;
  [[nodiscard]] const World& world() const { return *world_; }
  [[nodiscard]] const ledger::Ledger& ledger() const { return ledger_; }
  [[nodiscard]] std::size_t open_requests() const { return open_; }
  // Of those, requests that wait for a site that has room.
  [[nodiscard]] std::size_t queued_requests() const { return queue_.waiting(); }
  // For whoever watches: what is set aside, and what is let in.
  [[nodiscard]] const ledger::HoldBook& holds() const { return holds_; }
  [[nodiscard]] const limits::RateLimiter& rates() const { return rates_; }
  // Of a site of snapshot(): this shard's attempts open there, and what it
  // knows of its health.
  [[nodiscard]] std::int32_t attempts_at(SiteId site) const;
  [[nodiscard]] const fleet::HealthBook::Health& health_of(SiteId site) const;
  // When the drill of a site of snapshot() ends; nothing when it has none.
  [[nodiscard]] std::optional<MonotonicTime> drill_ends(SiteId site, MonotonicTime now) const {
    return drills_.ends(world_->line(site), now);
  }
  [[nodiscard]] const fleet::DomainBook& domains() const { return health_.domains(); }
  // What the engine of a site of snapshot() last told of itself; null when it
  // told nothing, or not for long.
  [[nodiscard]] const fleet::SignBook::Told* sign_of(SiteId site) const {
    return signs_.of(world_->line(site));
  }

 private:
  class Sink;
  using Exclusions = InlineVector<Exclusion, kExclusionsKept>;

  void arrived(const Arrived& event, Instant now);
  void first_token(const FirstToken& event, Instant now);
  void progressed(const Progressed& event, Instant now);
  void attempt_ended(const AttemptEnded& event, Instant now);
  void client_gone(const ClientGone& event, Instant now);
  void site_reported(const SiteReported& event, Instant now);
  void woke(Instant now);
  void snapshot_changed(const SnapshotChanged& event, Instant now);
  void site_drilled(const SiteDrilled& event, Instant now);
  void site_measured(const SiteMeasured& event, Instant now);

  // Lets the request in at its tenant's, project's and key's rates; false when
  // it has been refused.
  bool admit(Request& request, Instant now);
  // Sets aside the most the request can cost; false when it has been refused.
  bool hold(Request& request, Instant now);
  void recall_overdrawn(const ledger::BudgetScope& scope);
  // What the next attempt needs of a site.
  struct Wanted {
    VariantId variant = {};   // not valid: any of the alias
    bool again = false;       // sites that failed in passing count as well
    bool continuing = false;  // its engine must go on from a last message
    bool repeating = false;   // sites that would not go on with the answer count as well
    SiteId beside = {};       // valid: it must have room, and not fail together with this one
  };
  struct Way {
    Wanted wanted;
    answer::TakeUp take_up = answer::TakeUp::anew;
  };
  // How it may go on after its last attempt, the best first.
  [[nodiscard]] std::vector<Way> ways_on(const Request& request) const;
  // Chooses among the sites that are permitted, work, have room, have not been
  // tried, and are as wanted; says which were left out. A site that is chosen has
  // given leave for an attempt, which is made or given back.
  placement::Decision place(Request& request, const Wanted& wanted, Exclusions& excluded,
                            Instant now);
  placement::Decision decide(Request& request, const Wanted& wanted, Exclusions& excluded,
                             Instant now);
  // Among allowed_: first without the sites whose domains others are wary of.
  placement::Decision decide_warily(Request& request, Exclusions& excluded, Instant now);
  // Requires: an offer was chosen.
  static fleet::SiteLine line_of(const World& world, const placement::Decision& decision);
  bool take_slot(fleet::SiteLine site);
  void give_slot_back(fleet::SiteLine site);
  // False when its site may not be asked any more; then its slot is free again.
  bool open_attempt(Request& request, const placement::Decision& decision, answer::TakeUp take_up,
                    Instant now);
  // After an attempt that failed: the next one, now or in a while, or the end.
  void go_on(Request& request, Instant now);
  // An attempt on the best of these ways on that there is a site for; sites that
  // failed in passing come last.
  bool attempt_on(Request& request, std::vector<Way> ways, Instant now);
  // An attempt as wanted, when there is a site for one.
  bool attempt_at(Request& request, const Way& way, Instant now);
  // When a site that failed in passing may be asked once more, if that is soon.
  [[nodiscard]] std::optional<MonotonicTime> worth_waiting_for(const Request& request,
                                                               Instant now) const;
  void end_pauses(Instant now);
  void wake_by(MonotonicTime time);
  void wake_at_next();

  // No site has room, or works: lets a new request wait, or refuses it.
  void await_room(Request& request, Instant now);
  // Whether a site could take the request, if only it had room.
  [[nodiscard]] bool may_get_room(const Request& request, Instant now) const;
  // Whether, of all that is known, a site could take it by then: it is permitted and
  // offers it still, and what keeps requests away from it is over by then.
  [[nodiscard]] bool may_yet_go(const Request& request, MonotonicTime by, Instant now) const;
  // Whether `site` offers it still, and may be asked although it may have failed.
  [[nodiscard]] bool may_be_asked(const Request& request, SiteId site, MonotonicTime by) const;
  // When drills, its own wishes and its pauses let a site be asked, if nothing is
  // heard of it until then; now, or later.
  [[nodiscard]] MonotonicTime bars_end(fleet::SiteLine site, MonotonicTime now) const;
  // As the queue is to know it, if it waits until then at most.
  static limits::Waiting waiting_of(const Request& request, MonotonicTime until);
  // Lets it wait for room, until then at most; else says why not.
  std::optional<limits::QueueRefusal> enqueue(Request& request, MonotonicTime until, Instant now);
  // Lets those go whose turn it is and for whom there is room.
  void serve_queue(Instant now);
  bool can_go(const limits::Waiting& waiting, Instant now);
  // Its turn has come. False when there is no room for it after all: it waits on
  // where it stood.
  bool take_turn(const limits::Waiting& waiting, Instant now);
  // Of the route of one for whom no site is left: those for whom none is.
  void turn_away_stuck(std::uint64_t route, Instant now);
  // It waits no longer, without having gone; one like it may come again then.
  void turn_away(const limits::Waiting& waiting, Instant now);
  void turn_away(Request& request, Duration again, Instant now);
  // What a request for which there is no room is told, if the queue says `again`.
  [[nodiscard]] static Refuse come_again(const Request& request, Duration again);
  Request& leave_queue(const limits::Waiting& waiting, Instant now);
  // What its tenant is counted for it, before and after it has gone.
  void count(Request& request, const limits::Served& expected);
  void count_in_truth(Request& request);

  // Of the attempt that has just been opened: when it is late, if its class asks
  // for hedges.
  void plan_hedge(Request& request, Instant now);
  void make_hedges(Instant now);
  // A second attempt beside the current one, when there is a site and budget for it.
  void hedge(Request& request, Instant now);
  bool open_hedge(Request& request, Instant now);
  void exclude_for_hedge(const Request& request, SiteId beside, Exclusions& excluded);
  // The current attempt has answered, or has said what ends the request: the one
  // beside it, if there is one, is given up.
  void outrun_the_other(Request& request, Instant now);
  void cancel_the_other(Request& request, Instant now);
  void cancel_attempt(Request& request, const Usage& usage, Duration paused, Instant now);
  void give_up(Request& request, End why, Instant now);
  void raise_watermark(Request& request, Tokens output, Instant now);
  // `outcome` is given when the attempt ended for a reason that tells nothing
  // of the site.
  void close_attempt(Request& request, answer::Failure failure, const Usage& usage, Duration paused,
                     Instant now, std::optional<ledger::Outcome> outcome = std::nullopt);

  void settle(Request& request, ledger::Outcome outcome, const Usage& usage, Instant now);
  void release_hold(Request& request, ledger::Outcome outcome, Instant now);
  // For a request that nothing has been set aside for.
  void refuse(Request& request, End why, const Refuse& told, Instant now);
  void end(Request& request, End why, Action last, Instant now);
  [[nodiscard]] End end_without_site(const Request& request, Instant now) const;
  [[nodiscard]] std::optional<Duration> retry_after(const Request& request, Instant now) const;

  // Null when the request, or that attempt of it, is over: late news. The
  // attempt is the current one then.
  Request* find(RequestRef ref);
  Request* find(RequestRef ref, std::uint8_t attempt);
  [[nodiscard]] const Request& get(RequestRef ref) const;
  void append(const ledger::EntryBody& body, Instant now);
  // The same for the entry that ends `request`.
  void append_closing(const Request& request, const ledger::EntryBody& body, Instant now);
  void emit(Action action);
  // Whether the newest world still has `site` of an older one.
  [[nodiscard]] bool still_offers(const World& before, SiteId site) const;
  // Counts the load of what is under way in the newest world, unless the
  // request began there; and takes it out of it again.
  void count_in_newest_world(Request& request);
  // Placement in the newest world heeds the sign of `site` as it counts now.
  void heed_sign(fleet::SiteLine site);
  // From a sign that has just come, of a site with so many sequences of ours.
  void learn_room(fleet::SiteLine site, std::int32_t ours, Instant now);
  // Those that have grown older count less; nothing happens within a step.
  void fade_signs(Instant now);
  // A world that is no longer the newest hears of no signs, and heeds none.
  void forget_signs(World& world) const;
  void leave_newest_world(Request& request, Instant now);
  // A slot that is used seldom must not keep an old world for ever.
  void forget_old_world(Request& ended, Instant now) const;
  std::shared_ptr<World> make_world(SnapshotRef snapshot, const World* before, Instant now);
  void find_lines(World& world);
  void register_accounts(World& world, Instant now);
  void find_budgets(World& world);

  DispatchOptions options_;
  ledger::Ledger& ledger_;
  ledger::Budget& budget_;
  fleet::SiteSlots& slots_;
  ledger::HoldBook holds_;
  fleet::HealthBook health_;
  fleet::WaitBook waits_;
  fleet::RoomBook rooms_;
  fleet::MissingModels missing_models_;
  fleet::DrillBook drills_;
  fleet::SignBook signs_;
  std::vector<std::int32_t> attempts_at_;  // open ones of this shard, by line
  ledger::RequestNumbers numbers_;
  limits::RateLimiter rates_;
  limits::FairQueue queue_;
  bool room_made_ = false;            // somebody in the queue may be able to go
  std::vector<std::uint64_t> stuck_;  // scratch: routes that lead nowhere
  std::shared_ptr<World> world_;
  std::vector<std::unique_ptr<Request>> requests_;  // by slot, made on first use
  std::size_t open_ = 0;
  BitSet allowed_;     // scratch
  BitSet preferable_;  // likewise

  Actions* actions_ = nullptr;    // during a call
  std::vector<Action> overflow_;  // what did not fit, in order
  std::size_t overflow_begin_ = 0;
  MonotonicTime next_probe_;
  MonotonicTime next_wake_;  // as was told
  // Requests that wait for a site, a heap by time. One that has gone on or ended
  // is passed over when its time comes.
  struct Pause {
    MonotonicTime until;
    RequestRef request;
  };
  static bool later(const Pause& a, const Pause& b);
  std::vector<Pause> pauses_;
  HedgeBook hedges_;
  // Requests whose attempt is late then, likewise.
  std::vector<Pause> hedges_due_;
  [[nodiscard]] bool awaits_hedge(const Pause& due);
};

}  // namespace hanse::dispatch
