// src/drivers/replay/site_model.h
// A simulated site: an engine with slots and a queue before them.
//
// It computes prompts one after another and decodes all busy slots side by
// side, each the slower the more there are: the same shape that placement
// foretells by, so that a prediction is wrong only by what it cannot know.
// Tokens are answered in pieces of kPiece, and speed is looked at anew for
// each.
//
// It owns no clock: it says what leaves the site now, and when it wants to be
// stepped. Bounded by the attempts that the gateway has open there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/answer/failure.h"
#include "core/fleet/fleet.h"
#include "core/fleet/sign_book.h"
#include "drivers/replay/trouble.h"

namespace hanse::replay {

// One attempt as its site sees it; never used again in a run.
using JobId = Quantity<struct JobTag>;

struct Job {
  JobId id;
  fleet::SpeedProfile profile;
  Tokens prompt{0};  // to be computed anew
  Tokens cached{0};
  Tokens output{0};
  AttemptScript script;
};

// What the site sends to the gateway.
struct Saying {
  enum class Kind : std::uint8_t {
    connected,
    answered,  // `output` tokens in all
    finished,  // the whole answer; `usage` if the site says it
    failed,
  };

  Kind kind = Kind::connected;
  JobId job;
  Tokens output{0};
  answer::Failure failure = answer::Failure::none;
  std::optional<TokenCounts> usage;
  std::optional<Duration> retry_after;
};

// Filled by a site, emptied by its caller.
struct Reactions {
  std::vector<Saying> sayings;                         // they leave the site now
  std::vector<std::pair<MonotonicTime, JobId>> steps;  // when step() is wanted
};

class SiteModel {
 public:
  static constexpr std::int64_t kPiece = 8;  // tokens of one event of the answer

  explicit SiteModel(std::int32_t slots) : slots_(slots) {}

  // A request arrives. Requires: its id is new.
  void open(const Job& job, MonotonicTime now, Reactions& out);
  // The gateway closed the connection; nothing happens when it is over.
  void close(JobId job, MonotonicTime now, Reactions& out);
  // A time that was asked for has come.
  void step(JobId job, MonotonicTime now, Reactions& out);
  void become(Condition condition, MonotonicTime now, Reactions& out);

  [[nodiscard]] Condition condition() const { return condition_; }
  [[nodiscard]] std::size_t jobs() const { return jobs_.size(); }
  // What it would tell of itself.
  [[nodiscard]] fleet::Sign sign() const;

 private:
  enum class Phase : std::uint8_t {
    queued,
    prefilling,
    decoding,
    frozen,  // nothing more will come of it
  };
  struct Running {
    Job job;
    Phase phase = Phase::queued;
    bool has_slot = false;
    Tokens answered{0};
    Tokens next{0};  // answered after the step under way
  };
  using Jobs = std::map<JobId, Running>;

  void fill_slots(MonotonicTime now, Reactions& out);
  void answer_piece(Running& running, MonotonicTime now, Reactions& out);
  void finish(Jobs::iterator job, MonotonicTime now, Reactions& out);
  void fail(Jobs::iterator job, answer::Failure failure, MonotonicTime now, Reactions& out);
  void remove(Jobs::iterator job, MonotonicTime now, Reactions& out);
  [[nodiscard]] Duration time_per_token(const Job& job) const;

  std::int32_t slots_;
  std::int32_t busy_ = 0;
  Condition condition_ = Condition::up;
  MonotonicTime prefill_free_at_;
  Jobs jobs_;
  std::deque<JobId> queue_;
};

}  // namespace hanse::replay
