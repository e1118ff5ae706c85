#include "shrink.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "child.h"

namespace hanse::simulation {
namespace {

using replay::AttemptScript;
using replay::PlottedRequest;

constexpr unsigned kHangsAfterSeconds = 20;

class Shrinker {
 public:
  Shrinker(const Case& broken, std::string complaint, std::uint64_t runs_max)
      : best_(broken),
        complaint_(std::move(complaint)),
        rule_(rule_of(complaint_)),
        runs_max_(runs_max) {}

  Shrunk shrink() {
    // One pass makes room for another; few rounds are enough.
    std::uint64_t size_before = 0;
    for (std::uint64_t size = size_of(best_); size != size_before && may_run();
         size = size_of(best_)) {
      size_before = size;
      try_change([](Case& c) { c.plot.death.reset(); });
      leave_out([](Case& c) -> auto& { return c.plot.requests; });
      leave_out([](Case& c) -> auto& { return c.plot.changes; });
      plainer_attempts();
      plainer_questions();
      plainer_times();
    }
    return {.smallest = std::move(best_), .complaint = std::move(complaint_), .runs = runs_};
  }

 private:
  static std::uint64_t size_of(const Case& measured) {
    std::uint64_t size = measured.plot.changes.size() + (measured.plot.death ? 1 : 0);
    for (const PlottedRequest& request : measured.plot.requests) {
      size +=
          1 + request.attempts.size() +
          static_cast<std::uint64_t>(request.asked.output.count() + request.asked.prompt.count());
    }
    return size;
  }
  [[nodiscard]] bool may_run() const { return runs_ < runs_max_; }

  // Takes `tried` when it breaks the same rule.
  bool try_case(Case tried) {
    if (!may_run()) return false;
    ++runs_;
    auto complaint = complaint_of(tried);
    if (!complaint || rule_of(*complaint) != rule_) return false;
    best_ = std::move(tried);
    complaint_ = *std::move(complaint);
    return true;
  }
  template <typename Change>
  bool try_change(Change change) {
    Case tried = best_;
    change(tried);
    return try_case(std::move(tried));
  }

  // Leaves out parts of a list, large ones first.
  template <typename List>
  void leave_out(List list) {
    for (std::size_t part = list(best_).size(); part > 0; part /= 2) {
      // From the end, for what comes late seldom matters.
      for (std::size_t end = list(best_).size(); end > 0 && may_run();) {
        const std::size_t begin = end > part ? end - part : 0;
        (void)try_change([&](Case& c) {
          auto& items = list(c);
          items.erase(items.begin() + static_cast<std::ptrdiff_t>(begin),
                      items.begin() + static_cast<std::ptrdiff_t>(end));
        });
        end = begin;
      }
    }
  }

  void plainer_attempts() {
    for (std::size_t i = 0; i < best_.plot.requests.size(); ++i) {
      const auto attempts = [i](Case& c) -> auto& { return c.plot.requests[i].attempts; };
      while (!attempts(best_).empty() && try_change([&](Case& c) { attempts(c).pop_back(); })) {
      }
      for (std::size_t k = 0; k < attempts(best_).size(); ++k) {
        const AttemptScript usual;
        const AttemptScript before = attempts(best_)[k];
        const auto try_script = [&](AttemptScript script) {
          return script == attempts(best_)[k] ||
                 try_change([&](Case& c) { attempts(c)[k] = script; });
        };
        if (try_script(usual)) continue;
        AttemptScript plain;
        plain.trouble = before.trouble;
        plain.after = before.after;
        if (try_script(plain)) continue;
        for (const auto member : {&AttemptScript::retry_after, &AttemptScript::told_again_after}) {
          AttemptScript without = attempts(best_)[k];
          without.*member = std::nullopt;
          (void)try_script(without);
        }
        AttemptScript honest = attempts(best_)[k];
        honest.claims.reset();
        honest.says_usage = true;
        (void)try_script(honest);
      }
    }
  }

  void plainer_questions() {
    for (std::size_t i = 0; i < best_.plot.requests.size() && may_run(); ++i) {
      const auto with = [&](auto change) {
        return try_change([&](Case& c) { change(c.plot.requests[i].asked); });
      };
      const auto now = [&]() -> const replay::Asked& { return best_.plot.requests[i].asked; };
      if (now().leaves_after) {
        with([](replay::Asked& a) {
          a.leaves_after.reset();
          a.leaves_after_attempt.reset();
        });
      }
      if (now().reads_slowly) with([](replay::Asked& a) { a.reads_slowly.reset(); });
      if (now().arrived.choices > 1) with([](replay::Asked& a) { a.arrived.choices = 1; });
      if (now().cut != replay::Cut::by_token) {
        with([](replay::Asked& a) { a.cut = replay::Cut::by_token; });
      }
      if (now().cached > Tokens(0)) with([](replay::Asked& a) { a.cached = Tokens(0); });
      while (now().output > Tokens(1) && with([](replay::Asked& a) { a.output = a.output / 2; })) {
      }
      while (now().prompt > Tokens(1) && with([](replay::Asked& a) {
               a.prompt = a.prompt / 2;
               a.cached = std::min(a.cached, a.prompt);
             })) {
      }
    }
  }

  void plainer_times() {
    const auto rounded = [](MonotonicTime time) {
      constexpr std::int64_t kMilli = 1'000'000;
      return MonotonicTime(time.count() / kMilli * kMilli);
    };
    (void)try_change([&](Case& c) {
      for (PlottedRequest& request : c.plot.requests) request.at = rounded(request.at);
    });
    (void)try_change([&](Case& c) {
      for (replay::PlottedChange& change : c.plot.changes) change.at = rounded(change.at);
    });
  }

  Case best_;
  std::string complaint_;
  std::string rule_;
  std::uint64_t runs_max_;
  std::uint64_t runs_ = 0;
};

}  // namespace

std::optional<std::string> complaint_of(const Case& tried) {
  Child child([&] {
    must_go_on_within(kHangsAfterSeconds);
    const replay::SimulationReport report = replay::play(tried.plot);
    if (report.holds()) return;
    (void)std::fputs(report.complaints.front().c_str(), stderr);
    std::exit(1);
  });
  return child.wait();
}

Shrunk shrink(const Case& broken, std::string complaint, std::uint64_t runs_max) {
  return Shrinker(broken, std::move(complaint), runs_max).shrink();
}

}  // namespace hanse::simulation
