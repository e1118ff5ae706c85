// src/core/dispatch/testing/desk.h
// A dispatch on a table: events go in by hand, and what comes out is told in
// a line each, so that a test reads as the story of a request.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dispatch/dispatch.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/testing/small_grid.h"

namespace hanse::dispatch::testing {

using Story = std::vector<std::string>;

class Desk {
 public:
  // The only shard there is.
  explicit Desk(Snapshot snapshot = small_grid(), DispatchOptions options = {})
      : Desk(own_slots_, nobody_, std::move(snapshot), options) {}
  // One of several. Requires: `slots` and `health` outlive it.
  Desk(fleet::SiteSlots& slots, fleet::HealthNews& health, Snapshot snapshot = small_grid(),
       DispatchOptions options = {})
      : ledger_(new_ledger()),
        dispatch_(shared(std::move(snapshot)), ledger_,
                  {.budget = treasurer_, .slots = slots, .health = health}, options, now_) {}

  // --- What happens. ---

  // A request of `tenant` for the alias "any": 100 prompt tokens at most, 50
  // output tokens; ask for something else by changing the event.
  Arrived request(std::string_view tenant = "acme", std::string_view labels = "none") {
    Arrived arrived;
    arrived.request = {.slot = next_slot_++, .generation = 1};
    arrived.key = *dispatch_.snapshot().tenants.keys.find(std::string(tenant) + "/web/laptop");
    arrived.alias = *dispatch_.snapshot().catalog.aliases.find("any");
    arrived.latency_class = *dispatch_.snapshot().catalog.classes.find("interactive");
    arrived.labels = dispatch_.snapshot().labels.parse(labels).value();
    arrived.prompt_bytes = 100;
    arrived.prompt_tokens_max = Tokens(100);
    arrived.output_limit = Tokens(50);
    return arrived;
  }
  Story tell(const Event& event) {
    Story story;
    Actions actions;
    auto progress = dispatch_.on(event, now_, actions);
    while (true) {
      for (const Action& action : actions) tell_of(action, story);
      if (progress == Dispatch::Progress::done) return story;
      actions.clear();
      progress = dispatch_.more(actions);
    }
  }
  Story first_token(RequestRef request, std::uint8_t attempt = 0) {
    return tell(FirstToken{.request = request, .attempt = attempt});
  }
  // `left` of `output` tokens have been sent to the client; by default all.
  Story progressed(RequestRef request, std::int64_t output,
                   std::optional<std::int64_t> left = std::nullopt) {
    return tell(Progressed{.request = request,
                           .attempt = 0,
                           .output = Tokens(output),
                           .left = Tokens(left.value_or(output))});
  }
  Story ends(RequestRef request, std::uint8_t attempt, answer::Failure failure,
             const Usage& usage = {}) {
    return tell(AttemptEnded{.request = request,
                             .attempt = attempt,
                             .failure = failure,
                             .usage = usage,
                             .billed = usage,
                             .retry_after = {}});
  }
  // It breaks after a part has gone out: `output` deltas by all attempts, for
  // which the tenant would pay `billed`.
  Story breaks(RequestRef request, std::uint8_t attempt, answer::Resumable resumable,
               const Usage& usage, const Usage& billed, std::int64_t output,
               answer::Failure failure = answer::Failure::reset) {
    return tell(AttemptEnded{.request = request,
                             .attempt = attempt,
                             .failure = failure,
                             .usage = usage,
                             .billed = billed,
                             .output = Tokens(output),
                             .resumable = resumable,
                             .retry_after = {}});
  }
  Story leaves(RequestRef request, const Usage& usage = {}) {
    return tell(ClientGone{.request = request, .usage = usage, .billed = usage});
  }
  Story changes_to(Snapshot snapshot) { return tell(SnapshotChanged{shared(std::move(snapshot))}); }
  void pass(Duration duration) {
    now_.monotonic = now_.monotonic + duration;
    now_.wall = now_.wall + duration;
  }

  static Usage used(std::int64_t prompt, std::int64_t output) {
    Usage usage;
    usage.tokens[TokenKind::prompt] = Tokens(prompt);
    usage.tokens[TokenKind::output] = Tokens(output);
    return usage;
  }

  // --- How it stands. ---

  [[nodiscard]] Dispatch& dispatch() { return dispatch_; }
  [[nodiscard]] const Record& record(const Arrived& request) const {
    return dispatch_.record(request.request);
  }
  [[nodiscard]] const World& world() const { return dispatch_.world(); }
  [[nodiscard]] SiteId site(std::string_view name) const {
    return *dispatch_.snapshot().fleet.sites.find(name);
  }
  // What `tenant` owes, in nano-units.
  [[nodiscard]] std::int64_t owes(std::string_view tenant) const {
    return static_cast<std::int64_t>(
        ledger_.balance_below(fmt::format("receivable/{}/", tenant), {{'E', 'U', 'R'}}));
  }
  // What the supplier at `site` is owed.
  [[nodiscard]] std::int64_t owed_at(std::string_view site) const {
    const auto& fleet = dispatch_.snapshot().fleet;
    const std::string& supplier =
        fleet.suppliers[fleet.sites[*fleet.sites.find(site)].supplier].name;
    return -static_cast<std::int64_t>(
        ledger_.balance_below(fmt::format("payable/{}/{}/", supplier, site), {{'E', 'U', 'R'}}));
  }
  [[nodiscard]] const ledger::Ledger& ledger() const { return ledger_; }
  // For the dispatch of the next start.
  [[nodiscard]] ledger::Ledger& ledger() { return ledger_; }
  [[nodiscard]] Instant now() const { return now_; }

 private:
  static ledger::Ledger new_ledger() {
    ledger::Ledger ledger;
    ledger
        .apply({.at = day(0),
                .body = ledger::EpochStarted{.epoch = ledger::Epoch(1), .machine_boot = {}}})
        .value();
    return ledger;
  }

  void tell_of(const Action& action, Story& story) const {
    if (const auto* append = std::get_if<Append>(&action)) {
      const auto& body = append->entry.body;
      // Accounts are opened once, before any story begins.
      if (std::holds_alternative<ledger::AccountRegistered>(body)) return;
      std::string line(ledger::kind_name(body));
      if (const auto* hold = std::get_if<ledger::HoldOpened>(&body)) {
        line += fmt::format(" {}", hold->amount.count());
      } else if (const auto* watermark = std::get_if<ledger::Watermark>(&body)) {
        line += fmt::format(" {} of {}", watermark->supplier.confirmed[TokenKind::output].count(),
                            watermark->supplier.may_leave[TokenKind::output].count());
      } else if (const auto* attempt = std::get_if<ledger::AttemptClosed>(&body)) {
        line += fmt::format(" {} {}", ledger::to_string(attempt->outcome), attempt->owed.count());
      } else if (const auto* closed = std::get_if<ledger::RequestClosed>(&body)) {
        line += fmt::format(" {} {}", ledger::to_string(closed->outcome), closed->charged.count());
      } else if (const auto* released = std::get_if<ledger::HoldReleased>(&body)) {
        line += fmt::format(" {}", ledger::to_string(released->outcome));
      } else if (const auto* refused = std::get_if<ledger::RequestRefused>(&body)) {
        line += fmt::format(" {}", ledger::to_string(refused->why));
      }
      return story.push_back(std::move(line));
    }
    std::string line(kind_name(action));
    if (const auto* open = std::get_if<OpenAttempt>(&action)) {
      line += " " + dispatch_.snapshot_of(open->request).fleet.offers[open->offer].name;
      if (open->take_up != answer::TakeUp::anew) {
        line += fmt::format(" {}, at most {}", answer::to_string(open->take_up),
                            open->output_limit.count());
      }
    } else if (const auto* release = std::get_if<Release>(&action)) {
      line +=
          release->output == kNoTokenLimit ? " all" : fmt::format(" {}", release->output.count());
    } else if (const auto* refuse = std::get_if<Refuse>(&action)) {
      line += fmt::format(" {}", to_string(dispatch_.record(refuse->request).end));
      if (refuse->budget) line += fmt::format(" of the {}", limits::to_string(*refuse->budget));
      if (refuse->rate) {
        line += fmt::format(" of the {}, {} {}", limits::to_string(refuse->rate->level),
                            refuse->rate->allowed, limits::to_string(refuse->rate->limit));
      }
      if (refuse->last_failure != answer::Failure::none) {
        line += fmt::format(" {}", answer::to_string(refuse->last_failure));
      }
      if (refuse->retry_after) line += " again in " + hanse::to_string(*refuse->retry_after);
    } else if (const auto* probe = std::get_if<Probe>(&action)) {
      line += " " + dispatch_.snapshot().fleet.sites[probe->site].name;
    }
    story.push_back(std::move(line));
  }

  Instant now_{.monotonic = MonotonicTime(1), .wall = day(0)};
  std::uint32_t next_slot_ = 0;
  ledger::Treasurer treasurer_;
  fleet::SlotOwner own_slots_;
  fleet::NobodyElse nobody_;
  ledger::Ledger ledger_;
  Dispatch dispatch_;
};

}  // namespace hanse::dispatch::testing
