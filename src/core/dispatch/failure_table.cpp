#include "core/dispatch/failure_table.h"

#include <array>

#include "base/check.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;

constexpr auto kTable = std::to_array<FailureRow>({
    {Failure::none, Again::no, Elsewhere::no, Blame::none},
    {Failure::unreachable, Again::no, Elsewhere::yes, Blame::hard},
    {Failure::tls, Again::no, Elsewhere::yes, Blame::hard},
    {Failure::silent, Again::no, Elsewhere::yes, Blame::soft},
    {Failure::stalled, Again::no, Elsewhere::yes, Blame::soft},
    {Failure::reset, Again::once, Elsewhere::yes, Blame::soft},
    {Failure::bad_answer, Again::no, Elsewhere::yes, Blame::soft},
    {Failure::rate_limited, Again::when_asked, Elsewhere::yes, Blame::busy},
    {Failure::overloaded, Again::when_asked, Elsewhere::yes, Blame::busy},
    {Failure::server_error, Again::once, Elsewhere::yes, Blame::soft},
    {Failure::credentials, Again::no, Elsewhere::yes, Blame::turned_away, true},
    {Failure::model_missing, Again::no, Elsewhere::yes, Blame::no_model, true},
    {Failure::context_exceeded, Again::no, Elsewhere::longer_context, Blame::none},
    {Failure::content_filter, Again::no, Elsewhere::no, Blame::none},
    {Failure::client_request, Again::no, Elsewhere::no, Blame::none},
    {Failure::error_event, Again::once, Elsewhere::yes, Blame::soft},
    {Failure::oversize, Again::no, Elsewhere::yes, Blame::soft},
    {Failure::diverged, Again::no, Elsewhere::no, Blame::nothing},
});

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].failure) != i) return false;
  }
  return kTable.size() == static_cast<std::size_t>(answer::kLastFailure) + 1;
}
static_assert(rows_are_in_order());

}  // namespace

const FailureRow& row_of(Failure failure) {
  const auto row = static_cast<std::size_t>(failure);
  HANSE_CHECK(row < kTable.size());
  return kTable[row];
}

std::span<const FailureRow> failure_table() { return kTable; }

std::string_view to_string(Again again) {
  switch (again) {
    case Again::no: return "no";
    case Again::once: return "once";
    case Again::when_asked: return "when asked";
  }
  return "unknown";
}

std::string_view to_string(Elsewhere elsewhere) {
  switch (elsewhere) {
    case Elsewhere::yes: return "yes";
    case Elsewhere::longer_context: return "longer context";
    case Elsewhere::no: return "no";
  }
  return "unknown";
}

std::string_view to_string(Blame blame) {
  switch (blame) {
    case Blame::none: return "none";
    case Blame::nothing: return "nothing";
    case Blame::soft: return "soft";
    case Blame::hard: return "hard";
    case Blame::turned_away: return "turned away";
    case Blame::busy: return "busy";
    case Blame::no_model: return "no model";
  }
  return "unknown";
}

}  // namespace hanse::dispatch
