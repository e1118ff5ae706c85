#include "drivers/replay/site_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "drivers/replay/event_queue.h"

namespace hanse::replay {
namespace {

using ::testing::ElementsAre;

MonotonicTime at(std::int64_t ms) { return MonotonicTime() + milliseconds(ms); }

// 10 ms fixed, 1 ms a prompt token, 10 ms an output token alone.
Job job(std::int64_t id, AttemptScript script = {}) {
  return {.id = JobId(id),
          .profile = {.first_token = milliseconds(10),
                      .prefill_tokens_per_second = 1'000,
                      .decode_tokens_per_second = 100},
          .prompt = Tokens(100),
          .output = Tokens(17),
          .script = script};
}

// A site whose steps happen by themselves, and what it says, with times.
class Played {
 public:
  explicit Played(std::int32_t slots) : site_(slots), queue_(1'000) {}

  void open(std::int64_t ms, const Job& job) {
    until(ms);
    site_.open(job, at(ms), out_);
    collect(ms);
  }
  void close(std::int64_t ms, std::int64_t id) {
    until(ms);
    site_.close(JobId(id), at(ms), out_);
    collect(ms);
  }
  void become(std::int64_t ms, Condition condition) {
    until(ms);
    site_.become(condition, at(ms), out_);
    collect(ms);
  }
  std::vector<std::string> said(std::int64_t until_ms = 100'000) {
    until(until_ms);
    return std::exchange(said_, {});
  }
  [[nodiscard]] const SiteModel& site() const { return site_; }

 private:
  void until(std::int64_t ms) {
    while (!queue_.empty() && queue_.next_time() <= at(ms)) {
      const MonotonicTime time = queue_.next_time();
      const JobId id = queue_.pop();
      site_.step(id, time, out_);
      collect(time.count() / 1'000'000);
    }
  }
  void collect(std::int64_t ms) {
    for (const auto& [time, id] : out_.steps) ASSERT_TRUE(queue_.try_push(time, id));
    for (const Saying& saying : out_.sayings) said_.push_back(line(ms, saying));
    out_.steps.clear();
    out_.sayings.clear();
  }
  static std::string line(std::int64_t ms, const Saying& saying) {
    std::string who = fmt::format("{} ms: {}", ms, saying.job.count());
    switch (saying.kind) {
      case Saying::Kind::connected: return who + " connected";
      case Saying::Kind::answered: return fmt::format("{} has {}", who, saying.output.count());
      case Saying::Kind::finished: return who + " finished";
      case Saying::Kind::failed: return fmt::format("{} {}", who, to_string(saying.failure));
    }
    return who;
  }

  SiteModel site_;
  EventQueue<JobId> queue_;
  Reactions out_;
  std::vector<std::string> said_;
};

TEST(SiteModel, AnswersInPiecesAtTheSpeedOfItsProfile) {
  Played site(1);
  site.open(0, job(1));
  EXPECT_THAT(site.said(), ElementsAre("0 ms: 1 connected", "110 ms: 1 has 1", "190 ms: 1 has 9",
                                       "270 ms: 1 has 17", "270 ms: 1 finished"));
}

TEST(SiteModel, ARequestWaitsForASlotAndAPromptForThePromptBeforeIt) {
  Played one(1);
  one.open(0, job(1));
  one.open(0, job(2));
  EXPECT_EQ(one.said().back(), "540 ms: 2 finished");

  Played two(2);
  two.open(0, job(1));
  two.open(0, job(2));
  // Side by side each is half as fast, once both are decoding.
  EXPECT_THAT(two.said(220), ElementsAre("0 ms: 1 connected", "0 ms: 2 connected",
                                         "110 ms: 1 has 1", "210 ms: 2 has 1"));
}

TEST(SiteModel, AClosedRequestGivesItsSlotToTheNext) {
  Played site(1);
  site.open(0, job(1, {.trouble = Trouble::stall, .retry_after = {}, .claims = {}}));
  site.open(0, job(2));
  EXPECT_EQ(site.said().back(), "110 ms: 1 has 1");
  site.close(100'000, 1);
  EXPECT_EQ(site.said(200'000).back(), "100270 ms: 2 finished");
  EXPECT_EQ(site.site().jobs(), 0U);
}

TEST(SiteModel, TroubleComesWhereItsScriptSays) {
  const auto play = [](AttemptScript script) {
    Played site(1);
    site.open(0, job(1, script));
    return site.said();
  };
  AttemptScript script;
  script.trouble = Trouble::refused;
  EXPECT_THAT(play(script), ElementsAre("0 ms: 1 unreachable"));
  script.trouble = Trouble::silent;
  EXPECT_THAT(play(script), ElementsAre("0 ms: 1 connected"));
  script.trouble = Trouble::cut;
  script.after = Tokens(4);
  EXPECT_THAT(play(script), ElementsAre("0 ms: 1 connected", "110 ms: 1 has 1", "140 ms: 1 has 4",
                                        "140 ms: 1 reset"));
}

TEST(SiteModel, AProcessThatDiesResetsAllAndRefusesTheRest) {
  Played site(1);
  site.open(0, job(1));
  site.open(0, job(2));
  site.become(150, Condition::down);
  site.open(160, job(3));
  EXPECT_THAT(site.said(),
              ElementsAre("0 ms: 1 connected", "0 ms: 2 connected", "110 ms: 1 has 1",
                          "150 ms: 1 reset", "150 ms: 2 reset", "160 ms: 3 unreachable"));
  site.become(200'000, Condition::up);
  site.open(200'000, job(4));
  EXPECT_EQ(site.said(300'000).back(), "200270 ms: 4 finished");
}

TEST(EventQueue, GoesByTimeThenByWhoWasFirst) {
  EventQueue<int> queue(3);
  EXPECT_TRUE(queue.try_push(at(2), 1));
  EXPECT_TRUE(queue.try_push(at(1), 2));
  EXPECT_TRUE(queue.try_push(at(1), 3));
  EXPECT_FALSE(queue.try_push(at(0), 4));
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.longest(), 3U);
}

}  // namespace
}  // namespace hanse::replay
