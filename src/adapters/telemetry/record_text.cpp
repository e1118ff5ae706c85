// A record's view for people.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <span>

#include "adapters/telemetry/record_view.h"
#include "adapters/telemetry/terminal.h"

namespace hanse::telemetry {
namespace {

using dispatch::End;

constexpr std::size_t kIndent = 2;
constexpr std::size_t kColumnsMin = 80;

std::string time_text(const std::optional<Duration>& duration) {
  return duration ? to_string(*duration) : "-";
}

// "passed_over" as people say it.
std::string words(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string headline(End end) {
  switch (end) {
    case End::open: return "still under way";
    case End::answered: return "answered";
    case End::refused_by_law: return "refused: no site may serve it";
    case End::over_budget: return "refused: over budget";
    case End::over_rate: return "refused: over its rate";
    case End::at_capacity: return "refused: every permitted site is full";
    case End::sites_unavailable: return "failed: no permitted site works";
    case End::attempts_failed: return "failed: all that could be tried failed";
    case End::out_of_time: return "failed: its time was over";
    case End::client_error: return "failed: the site found the request itself wrong";
    case End::cut: return "cut off in mid-answer, and the client was told so";
    case End::client_gone: return "the client left";
    case End::asked_to_wait: return "refused: every permitted site asks to be left alone";
  }
  return "unknown";
}

Style style_of(End end) {
  if (end == End::answered) return Style::good;
  return end == End::open || end == End::client_gone ? Style::warning : Style::bad;
}

Style style_of_verdict(std::string_view verdict) {
  if (verdict == "answered") return Style::good;
  if (verdict == "refused" || verdict == "failed") return Style::bad;
  for (const std::string_view doubtful :
       {"circuit_open", "suspected", "starting", "model_missing", "drilled", "full", "cancelled"}) {
    if (verdict == doubtful) return Style::warning;
  }
  return verdict == "no_offer" ? Style::dim : Style::plain;
}

std::string tokens_text(const Usage& usage) {
  std::string text;
  for (const TokenKind kind : kAllTokenKinds) {
    if (usage.tokens[kind] == Tokens(0)) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : " + ", usage.tokens[kind].count(),
                        words(to_string(kind)));
  }
  return text.empty() ? "none" : text;
}

// All that went in and all that came out, for a narrow column.
std::string in_and_out(const Usage& usage) {
  const auto sum = [&](std::initializer_list<TokenKind> kinds) {
    Tokens tokens;
    for (const TokenKind kind : kinds) tokens += usage.tokens[kind];
    return tokens.count();
  };
  return fmt::format("{}+{}",
                     sum({TokenKind::prompt, TokenKind::cached_read, TokenKind::cache_write}),
                     sum({TokenKind::output, TokenKind::reasoning}));
}

std::string notes_on(const Usage& usage) {
  std::string text;
  if (usage.estimated) text += ", counted here where the site reported nothing";
  if (usage.contradicted) text += ", though the site's report contradicts its text";
  return text;
}

// What is printed, and how.
struct Page {
  const RecordView& view;
  Painter painter;
  std::size_t columns;
  std::size_t sites_max;
  std::string out;

  void title(std::string_view text, std::string_view note) {
    out += '\n' + painter.paint(text, Style::bold);
    if (!note.empty()) out += "  " + painter.paint(note, Style::dim);
    out += '\n';
  }
  // `name` in a column of its own, `text` wrapped beside it.
  void fact(std::string_view name, std::string_view text) {
    if (text.empty()) return;
    constexpr std::size_t kNameColumns = 12;
    std::string lines =
        wrapped(fmt::format("{:{}}{:<{}}", "", kIndent, name, kNameColumns), text, columns);
    // Painted after wrapping, so that codes take no room.
    lines.replace(kIndent, name.size(), painter.paint(name, Style::dim));
    out += lines;
  }
};

void print_head(Page& page) {
  const RecordView& view = page.view;
  std::string how = headline(view.end);
  if (view.end == End::answered && !view.attempts.empty())
    how += " by " + view.told_by;
  page.out += fmt::format("{}  {}{} {}\n", page.painter.paint(view.id, Style::bold),
                          page.painter.paint(how, style_of(view.end)),
                          view.end == End::answered ? " in" : ", after", to_string(view.took));

  std::string who = fmt::format("{} / {} / {}", view.tenant, view.project, view.key);
  if (!view.tenant_title.empty() && view.tenant_title != view.tenant) {
    who += fmt::format(" ({})", view.tenant_title);
  }
  page.fact("who", who);
  std::string what = fmt::format("{}, class {}, {}", view.alias, view.latency_class,
                                 view.streamed ? "streamed" : "whole");
  if (view.choices != 1) what += fmt::format(", {} choices", view.choices);
  what += fmt::format(", {} bytes of prompt, at most {} tokens out", view.prompt_bytes,
                      view.output_limit.count());
  page.fact("asked", what);
  page.fact("data", view.labels);
  page.fact("objective",
            fmt::format("first token within {}, then one every {}; {} for all of it",
                        to_string(view.objective_first_token), to_string(view.objective_per_token),
                        to_string(view.time_limit)));
  page.fact("arrived", fmt::format("{} under configuration {}", to_iso8601(view.arrived_at),
                                   view.snapshot.substr(0, 12)));
  page.fact("trace", view.trace_id);
  page.fact("client's id", view.client_request_id);
}

std::span<const SiteView> sites_shown(const Page& page) {
  const std::span<const SiteView> all = page.view.sites;
  return all.first(std::min(all.size(), page.sites_max));
}

void print_sites(Page& page) {
  page.title("Sites",
             fmt::format("{} permitted and {} refused of those that offer {}",
                         page.view.sites_permitted, page.view.sites_refused, page.view.alias));
  TextTable table({{.title = "site"},
                   {.title = "place"},
                   {.title = "supplier", .flexible = true},
                   {.title = "verdict"},
                   {.title = "first token", .align = Align::right},
                   {.title = "per token", .align = Align::right},
                   {.title = fmt::format("price {}", page.view.currency)}});
  for (const SiteView& site : sites_shown(page)) {
    const auto& predicted = site.predicted;
    const Style style = site.within_objective ? Style::plain : Style::warning;
    table.add({{site.site, site.verdict == "answered" ? Style::bold : Style::plain},
               {site.place.empty() ? "?" : site.place},
               {site.supplier_title},
               {words(site.verdict), style_of_verdict(site.verdict)},
               {predicted ? to_string(predicted->first_token) : "", style},
               {predicted ? to_string(predicted->per_token) : "", style},
               {predicted ? to_decimal(predicted->cost) : ""}});
  }
  page.out += table.print(page.painter, kIndent, page.columns);
  const std::size_t left_out = page.view.sites.size() - sites_shown(page).size();
  if (left_out != 0) page.out += fmt::format("{:{}}and {} more\n", "", kIndent, left_out);
}

void print_refusal(Page& page, const gate::Refusal& refusal, std::string_view head) {
  page.out += wrapped(head, fmt::format("{}: {}", refusal.rule, refusal.requirement), page.columns);
  const std::string bullet(columns_of(head), ' ');
  for (const std::string& fact : refusal.facts) {
    page.out += wrapped(bullet + "  - ", fact, page.columns);
  }
}

// Why each of the others did not get it.
void print_reasons(Page& page) {
  std::size_t name_columns = 0;
  for (const SiteView& site : sites_shown(page)) {
    name_columns = std::max(name_columns, columns_of(site.site));
  }
  page.title("Why", "");
  for (const SiteView& site : sites_shown(page)) {
    const std::string blanks(kIndent + name_columns + 2, ' ');
    std::string head = blanks;
    head.replace(kIndent, site.site.size(), site.site);
    if (site.verdict != "refused") {
      page.out += wrapped(head, site.reason, page.columns);
      continue;
    }
    for (const gate::Refusal& refusal : site.refusals) {
      print_refusal(page, refusal, head);
      head = blanks;
    }
  }
}

// "answered (continued)": it went on with what an attempt before had begun.
// "answered (hedge)": it was opened beside one that was late.
std::string outcome_text(const AttemptView& attempt) {
  if (attempt.hedge) return fmt::format("{} (hedge)", words(attempt.outcome));
  if (attempt.take_up == answer::TakeUp::anew) return words(attempt.outcome);
  return fmt::format("{} ({})", words(attempt.outcome), to_string(attempt.take_up));
}

void print_attempts(Page& page) {
  if (page.view.attempts.empty()) {
    page.title("Attempts", "none: no site was contacted");
    return;
  }
  page.title("Attempts", "measured (predicted), tokens in+out");
  TextTable table({{.title = "site"},
                   {.title = "outcome", .flexible = true},
                   {.title = "first token"},
                   {.title = "per token"},
                   {.title = "took", .align = Align::right},
                   {.title = "tokens"},
                   {.title = fmt::format("owed {}", page.view.currency)}});
  for (const AttemptView& attempt : page.view.attempts) {
    const bool good = attempt.outcome == "answered";
    table.add({{attempt.site},
               {outcome_text(attempt), good ? Style::good : Style::bad},
               {fmt::format("{} ({})", time_text(attempt.first_token),
                            to_string(attempt.predicted.first_token))},
               {fmt::format("{} ({})", time_text(attempt.per_token),
                            to_string(attempt.predicted.per_token))},
               {time_text(attempt.took)},
               {in_and_out(attempt.usage)},
               {to_decimal(attempt.owed)}});
  }
  page.out += table.print(page.painter, kIndent, page.columns);
}

std::string suppliers_text(const RecordView& view) {
  std::string text;
  for (const AttemptView& attempt : view.attempts) {
    if (attempt.owed == Money(0)) continue;
    text += fmt::format("{}{}", text.empty() ? "owed to " : " and ", attempt.supplier_title);
  }
  return text.empty() ? "nobody is owed anything" : text;
}

void print_bill(Page& page) {
  const Bill& bill = page.view.bill;
  page.title("Bill", "in " + page.view.currency);
  TextTable table({{.title = ""}, {.title = ""}, {.title = "", .flexible = true}});
  const auto line = [&](std::string name, Money amount, std::string note, Style style) {
    table.add({{std::move(name), Style::dim}, {to_decimal(amount), style}, {std::move(note)}});
  };
  line("held", bill.held,
       bill.held == Money(0) ? "nothing was set aside" : "the most it could have cost",
       Style::plain);
  line("charged", bill.charged, tokens_text(bill.usage) + notes_on(bill.usage), Style::bold);
  if (bill.written_off != Money(0)) {
    line("written off", bill.written_off, "above the hold: ours, not the tenant's", Style::warning);
  }
  line("suppliers", bill.owed_to_suppliers, suppliers_text(page.view), Style::plain);
  line("margin", bill.margin, "charged less owed",
       bill.margin < Money(0) ? Style::warning : Style::plain);
  page.out += table.print(page.painter, kIndent, page.columns);
}

}  // namespace

std::string print(const RecordView& view, const PrintOptions& options) {
  Page page{.view = view,
            .painter = Painter(options.colour),
            .columns = std::max(options.columns, kColumnsMin),
            .sites_max = options.sites_max,
            .out = {}};
  print_head(page);
  print_sites(page);
  print_reasons(page);
  print_attempts(page);
  print_bill(page);
  return std::move(page.out);
}

std::string print_line(const RecordView& view) {
  return fmt::format("{}  {}  {:<12}  {:<12}  {:<17}  {:<12}  {}", to_iso8601(view.arrived_at),
                     view.id, shortened(view.tenant, 12), shortened(view.alias, 12),
                     to_string(view.end), view.attempts.empty() ? "-" : view.told_by,
                     to_string(view.took));
}

}  // namespace hanse::telemetry
