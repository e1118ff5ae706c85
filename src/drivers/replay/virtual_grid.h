// src/drivers/replay/virtual_grid.h
// A grid in virtual time: the production dispatch between simulated clients
// and simulated sites.
//
// It is a driver like `serve`, with a queue for a reactor: it turns what
// clients and sites do into events, performs the actions that come back, and
// keeps the limits it was given. What clients ask and what goes wrong is the
// director's to say; a witness looks at every action. Nothing here knows the
// real time: a run takes as long as its decisions do.
//
// One thread. Bounded by the requests open at once, as dispatch is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/random.h"
#include "core/answer/answer.h"
#include "core/dispatch/attempt_watch.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/recording.h"
#include "core/fleet/health_news.h"
#include "core/fleet/site_slots.h"
#include "core/ledger/budget.h"
#include "drivers/replay/event_queue.h"
#include "drivers/replay/remains.h"
#include "drivers/replay/site_model.h"
#include "drivers/replay/story.h"
#include "drivers/replay/trouble.h"
#include "drivers/replay/virtual_clock.h"
#include "drivers/replay/witness.h"

namespace hanse::replay {

// How an engine cuts its answer into events.
enum class Cut : std::uint8_t { by_token, by_piece, anywhere };

// How a client takes a stream that it cannot take at once: some tokens at a
// time, and once it stands still.
struct Reading {
  Tokens at_a_time{1};
  Duration every = {};
  Tokens stops_after{0};
  Duration stops_for = {};

  bool operator==(const Reading&) const = default;
};

// What a client asks, and what is true of it although the gateway cannot know.
struct Asked {
  dispatch::Arrived arrived;  // all but the reference
  Tokens prompt{0};           // all of it, cached tokens among them
  Tokens cached{0};
  Tokens output{0};  // of the whole answer
  answer::Dialect dialect = answer::Dialect::chat;
  // Whether all engines with the same weights tell the same: temperature 0, or a
  // seed that they keep.
  bool deterministic = true;
  // Whether the request is such that an answer to it can be continued: one text
  // without tools, schemas and the like.
  bool continuable = true;
  Cut cut = Cut::by_token;
  // The client leaves so long after it came, or after this attempt has ended:
  // while another is under way, or none is.
  std::optional<Duration> leaves_after;
  std::optional<std::uint8_t> leaves_after_attempt;
  std::optional<Reading> reads_slowly;  // else it takes at once what is let go
  std::uint64_t tag = 0;                // the director's own
};

// What the client was told in the end.
struct Outcome {
  enum class Told : std::uint8_t {
    whole,        // the answer
    error,        // instead of an answer
    error_event,  // after a part of it
    nothing,      // it had gone
  };

  Told told = Told::nothing;
  Tokens delivered{0};
  std::optional<Duration> retry_after;
  answer::Failure last_failure = answer::Failure::none;
};

std::string_view to_string(Outcome::Told told);

class Director {
 public:
  virtual ~Director() = default;

  // When the next client comes; not before the one before it. Nothing: all
  // have come.
  virtual std::optional<MonotonicTime> next_arrival() = 0;
  // What that client asks. Its ids are those of `snapshot`, the newest.
  virtual Asked ask(const dispatch::Snapshot& snapshot) = 0;
  // How `site` treats an attempt; the first of a request is 0.
  virtual AttemptScript script(const Asked& asked, std::string_view site, std::uint8_t attempt) = 0;
  // `request` has ended; its record can be read until this returns.
  virtual void ended(const Asked& asked, const Outcome& outcome, const dispatch::Dispatch& dispatch,
                     dispatch::RequestRef request) = 0;
  // More requests were open than may be.
  virtual void turned_away(const Asked& asked) { static_cast<void>(asked); }
};

// A process that is killed: after so many steps from a time on, an action that
// comes out of dispatch or is performed being one. Of what it has not yet
// handed to the system a part may have reached the journal all the same.
struct Death {
  MonotonicTime at;
  std::uint64_t steps = 0;
  std::uint32_t written_ppm = 0;

  bool operator==(const Death&) const = default;
};

struct GridOptions {
  WallTime starts_at;
  dispatch::DispatchOptions dispatch;
  Duration progress_every = milliseconds(20);  // progress is told in batches
  Duration probe_time_limit = seconds(1);
  // So many tokens are kept for a client that does not take them: past the high
  // mark its site is not read from until they are down to the low one. A client
  // that takes nothing for so long is taken for gone.
  Tokens untaken_high{32};
  Tokens untaken_low{8};
  Duration takes_nothing_max = seconds(30);
  // Actions are performed when a turn of the loop ends, its entries having
  // been written: so long after the first of them at most. Until then more
  // may happen, as it does live.
  Duration turn_max = microseconds(200);
  // By which the ends of turns and the cuts of answers are drawn.
  std::uint64_t seed = 0;
  // The journal that is gone on with, from its first entry; none: a new one.
  std::vector<ledger::Entry> past;
  // The gateway is killed in mid-run.
  std::optional<Death> death;
  // A run of more happenings than this does not end by itself.
  std::uint64_t happenings_max = 200'000'000;
};

struct GridCounts {
  std::uint64_t happenings = 0;
  std::uint64_t events = 0;   // told to dispatch
  std::uint64_t actions = 0;  // that came back
  std::uint64_t requests = 0;
  std::uint64_t attempts = 0;
  std::uint64_t continued = 0;  // of them, those that took an answer up
  std::uint64_t repeated = 0;
  std::uint64_t rescued = 0;  // requests that were answered whole by such
  std::uint64_t hedges = 0;   // attempts beside another
  std::uint64_t hedges_won = 0;
  std::uint64_t turned_away = 0;
  std::uint64_t late_news = 0;
  std::uint64_t pauses = 0;  // sites were not read from, for a client took nothing
  std::size_t queue_longest = 0;
};

// What a snapshot is loaded from again, for recordings.
using SnapshotText = std::function<std::string(const dispatch::Snapshot& snapshot)>;

class VirtualGrid {
 public:
  // Requires: `director` outlives the grid.
  VirtualGrid(const dispatch::SnapshotRef& snapshot, Director& director,
              const GridOptions& options);
  ~VirtualGrid();
  VirtualGrid(const VirtualGrid&) = delete;
  VirtualGrid& operator=(const VirtualGrid&) = delete;

  // Something happens to the grid at a time. Requires: it has not run yet.
  void site_becomes(MonotonicTime at, std::string_view site, Condition condition);
  void snapshot_changes(MonotonicTime at, dispatch::SnapshotRef snapshot);
  // An operator leaves the site out for so long.
  void site_drilled(MonotonicTime at, std::string_view site, Duration lasts);
  // A round trip to the site takes so much longer than its link promises.
  void link_slows(MonotonicTime at, std::string_view site, Duration by);
  // Turns may last so long: the journal's disk is slow, or well again.
  void disk_slows(MonotonicTime at, Duration turn_max);
  // From now on this is what its engine tells of itself.
  void site_tells(MonotonicTime at, std::string_view site, const Telling& telling);
  // The wall clock is put forward; waits do not notice.
  void clock_jumps(MonotonicTime at, Duration by);

  // Writes the run to `out` as `serve --record` writes a live one.
  // Requires: it has not run yet; `out` outlives the run.
  void record_to(std::string& out, SnapshotText text_of);

  // Until all clients have come and all requests have ended, or the gateway
  // dies. Requires: not called before.
  void run();

  // What a gateway that has died leaves behind. Requires: it was to die.
  [[nodiscard]] bool died() const { return died_; }
  [[nodiscard]] Remains remains() const;

  [[nodiscard]] Instant now() const { return clock_.now(); }
  [[nodiscard]] const GridCounts& counts() const { return counts_; }
  [[nodiscard]] const dispatch::Dispatch& dispatch() const { return dispatch_; }
  [[nodiscard]] const std::vector<std::string>& complaints() const { return witness_.complaints(); }
  [[nodiscard]] const ledger::Ledger& books() const { return witness_.books(); }
  // Of all actions and their times.
  [[nodiscard]] std::uint64_t digest() const { return digest_.value(); }

 private:
  // A site by its place in `sites_`: the machines stay when a new snapshot
  // counts them in another order.
  using Place = std::size_t;
  struct Site {
    std::string name;
    SiteModel model;
    Duration slower_by = {};  // a round trip to it
    Telling telling = {};
  };
  // An attempt, and the answer that it has made or taken up.
  struct Line {
    std::optional<JobId> job;  // nothing: it is not under way
    std::uint8_t attempt = 0;
    Place place = 0;
    Duration one_way;  // to the site
    dispatch::AttemptWatch watch;
    std::optional<Duration> told_again_after;
    Voice voice = 0;      // the attempt's
    Tokens begins_at{0};  // the token of the answer that the attempt began with
    Tokens said{0};       // by the attempt
    bool first_token_told = false;
    bool batch_pending = false;
    MonotonicTime rings_at;  // by its watch
    // Its site is not read from; what it says waits.
    std::optional<MonotonicTime> paused_at;
    std::vector<Saying> unread;
    Duration paused_for;  // before
    // The answer over all attempts, and its text.
    std::optional<answer::Answer> answer;
    std::string text;
  };
  // A request as the driver keeps it, by slot.
  struct Exchange {
    dispatch::RequestRef ref;
    bool open = false;
    bool client_gone = false;  // and takes nothing any more
    Asked asked;
    Line line;                   // of the attempt under way, or the last one
    std::optional<Line> beside;  // of a second one, until one of both has answered
    bool hedged = false;         // there has been one
    std::int32_t continued = 0;  // attempts that went on from an answer
    // Deltas for the client.
    Tokens left{0};       // it has taken
    Tokens handed{0};     // to its connection, which keeps what it has not taken
    Tokens released{0};   // may leave
    Tokens told{0};       // to dispatch as progress
    bool taking = false;  // it takes something soon, or is taken for gone
    MonotonicTime stands_still_until;
    // Whether all attempts were such that their tokens can be counted exactly.
    bool honest = true;
    std::uint8_t attempts_sent = 0;
  };

  // What waits in the queue.
  struct ClientComes {};
  struct ClientLeaves {
    dispatch::RequestRef request;
  };
  struct ClientTakes {
    dispatch::RequestRef request;
  };
  struct JobReachesSite {
    Place place = 0;
    Job job;
  };
  struct SiteSteps {
    Place place = 0;
    JobId job;
  };
  struct SiteSays {
    Place place = 0;
    std::uint32_t slot = 0;
    Saying saying;
  };
  struct GatewayCloses {
    Place place = 0;
    JobId job;
  };
  struct LimitRings {
    std::uint32_t slot = 0;
    JobId job;
  };
  struct BatchIsDue {
    std::uint32_t slot = 0;
    JobId job;
  };
  struct ProbeReturns {
    Place place = 0;
    bool healthy = false;
  };
  struct WakeUp {};
  struct TurnEnds {};
  struct LateNews {
    dispatch::RequestRef request;
    std::uint8_t attempt = 0;
  };
  struct SiteBecomes {
    Place place = 0;
    Condition condition = Condition::up;
  };
  struct SnapshotChanges {
    dispatch::SnapshotRef snapshot;
  };
  struct SiteTells {
    Place place = 0;
    Telling telling = {};
  };
  struct DrillBegins {
    Place place = 0;
    Duration lasts;
  };
  struct LinkSlows {
    Place place = 0;
    Duration by;
  };
  struct DiskSlows {
    Duration turn_max;
  };
  struct ClockJumps {
    Duration by;
  };
  using Happening = std::variant<ClientComes, ClientLeaves, ClientTakes, JobReachesSite, SiteSteps,
                                 SiteSays, GatewayCloses, LimitRings, BatchIsDue, ProbeReturns,
                                 WakeUp, TurnEnds, LateNews, SiteBecomes, SnapshotChanges,
                                 SiteTells, DrillBegins, LinkSlows, DiskSlows, ClockJumps>;

  void happen(const ClientComes&);
  void happen(const ClientLeaves& leaving);
  void happen(const ClientTakes& taking);
  void happen(const JobReachesSite& reaching);
  void happen(const SiteSteps& stepping);
  void happen(const SiteSays& saying);
  void happen(const GatewayCloses& closing);
  void happen(const LimitRings& ringing);
  void happen(const BatchIsDue& due);
  void happen(const ProbeReturns& returning);
  void happen(const WakeUp&);
  void happen(const TurnEnds&);
  void happen(const LateNews& news);
  void happen(const SiteBecomes& becoming);
  void happen(const SnapshotChanges& changing);
  void happen(const SiteTells& tells);
  void happen(const DrillBegins& beginning);
  void happen(const LinkSlows& slowing);
  void happen(const DiskSlows& slowing);
  void happen(const ClockJumps& jumping);

  void perform(const dispatch::Action& action);
  void open_attempt(const dispatch::OpenAttempt& action);
  void take_up(Exchange& exchange, const dispatch::OpenAttempt& action, const fleet::Offer& offer);
  [[nodiscard]] const fleet::Fleet& fleet_of(const dispatch::OpenAttempt& action) const;
  void probe(SiteId site);
  void release(const dispatch::Release& action);
  void end(dispatch::RequestRef request, Outcome outcome);

  // Gives `event` to dispatch; what comes back is performed when the turn
  // ends. Returns how much it was.
  std::size_t tell(const dispatch::Event& event);
  void at(MonotonicTime time, Happening happening);
  [[nodiscard]] Place place_of(std::string_view site) const;
  // One step more; true when the gateway has died of it.
  bool dies();
  void whole_answer_is_right(const Exchange& exchange, const dispatch::Record& record);
  void bill_is_right(const Exchange& exchange, const dispatch::Record& record,
                     const Outcome& outcome);
  void await_next_client();
  void hear(Exchange& exchange, const Saying& saying);
  void answered(Exchange& exchange, Tokens output);
  void finished(Exchange& exchange, const Saying& saying);
  // Gives what the site has said since to the answer; false when the answer is
  // not to be believed, and then the attempt has ended.
  bool take_said(Exchange& exchange, Tokens output);
  void take(Exchange& exchange, std::string_view text);
  void tell_first_token(Exchange& exchange);
  void let_leave(Exchange& exchange);
  void take_up_to(Exchange& exchange, Tokens output);
  void await_taking(Exchange& exchange);
  void pause(Line& line);
  void read_again(Exchange& exchange);
  void end_attempt(Exchange& exchange, answer::Failure failure,
                   std::optional<Duration> retry_after);
  // Closes the attempt under way; the site learns of it a way later.
  void drop_attempt(Exchange& exchange);
  void cancel_attempt(const dispatch::CancelAttempt& action);
  // Whether dispatch has done with the attempt, although it is still to be told so.
  [[nodiscard]] bool is_over(dispatch::RequestRef request, std::uint8_t attempt) const;
  [[nodiscard]] Duration paused_for(const Line& line) const;
  static void go_on_with_the_other(Exchange& exchange);
  void emit_reactions(Place place);
  [[nodiscard]] static answer::Resumable resumable(const Exchange& exchange);
  [[nodiscard]] static Tokens prompt_estimate(const Exchange& exchange);
  [[nodiscard]] static Usage used(const Exchange& exchange);
  [[nodiscard]] static Usage billed(const Exchange& exchange);
  [[nodiscard]] static Tokens deltas(const Exchange& exchange);
  // The exchange that the job is for, turned to its line; null when it is over.
  Exchange* find(std::uint32_t slot, JobId job);
  void record(const dispatch::Event& event, std::uint64_t actions_digest);
  void learn_of_sites(const dispatch::Snapshot& snapshot);

  Director& director_;
  GridOptions options_;
  VirtualClock clock_;
  EventQueue<Happening> queue_;
  Random random_;
  ledger::Treasurer treasurer_;
  fleet::SlotOwner slots_;
  fleet::NobodyElse nobody_else_;
  ledger::Ledger ledger_;
  Witness witness_;
  dispatch::Dispatch dispatch_;
  std::vector<Site> sites_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<Exchange> exchanges_;  // by slot
  std::vector<std::uint32_t> free_slots_;
  // The way back from a site, of each attempt under way.
  struct Way {
    std::uint32_t slot = 0;
    Duration one_way;
  };
  std::map<JobId, Way> ways_;
  std::int64_t jobs_ = 0;
  std::optional<MonotonicTime> next_wake_;
  std::vector<dispatch::Action> waiting_;  // for the turn's end
  std::vector<dispatch::Action> performing_;
  bool turn_ends_ = false;  // when it has been put into the queue
  bool more_clients_ = true;
  std::uint64_t steps_ = 0;  // since the gateway was to die
  bool died_ = false;
  std::size_t entries_written_ = 0;          // by the last turn that ended
  std::vector<ledger::RequestNumber> told_;  // whose clients have been told how it ended
  Reactions reactions_;                      // scratch
  std::string said_;                         // likewise
  std::optional<dispatch::RecordingWriter> recording_;
  SnapshotText text_of_;
  GridCounts counts_;
  RunDigest digest_;
};

}  // namespace hanse::replay
