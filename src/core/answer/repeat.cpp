#include "core/answer/repeat.h"

#include <algorithm>

#include "base/check.h"
#include "base/json_cursor.h"

namespace hanse::answer {

namespace {

// Who has one keeps it, for the next attempt's is another one.
bool is_never_said_twice(Strand::Kind kind) {
  return kind == Strand::Kind::tool_id || kind == Strand::Kind::tool_type;
}

}  // namespace

Repeat::Repeat(const Transcript& delivered) {
  HANSE_CHECK(!delivered.lost());
  for (const Strand& strand : delivered.strands()) {
    Expected& expected = expected_.emplace_back();
    expected.kind = strand.kind;
    expected.choice = strand.choice;
    expected.index = strand.index;
    append_json_unescaped(strand.text, expected.text);
    if (is_never_said_twice(strand.kind)) expected.matched = expected.text.size();
  }
}

Repeat::Verdict Repeat::take(const Delta& delta) {
  remainders_.clear();
  pieces_of(delta, pieces_);
  bool any_known = pieces_.empty() && !delta.tool_calls.empty() && knows_call(delta);
  bool any_new = false;
  for (const Piece& piece : pieces_) {
    const Match found = match(piece);
    if (found == Match::diverged) return Verdict::diverged;
    any_known = any_known || found != Match::fresh;
    any_new = any_new || (found != Match::known && piece.kind != Strand::Kind::vendor);
  }
  const bool ends = delta.finish != Finish::none;
  if ((any_new || ends) && !caught_up(delta.choice)) return Verdict::diverged;
  // Whatever else it says was said before, as far as anybody can tell.
  if (!any_new && !ends && !caught_up(delta.choice)) return Verdict::known;
  if (!any_known) return Verdict::fresh;
  if (!any_new && !ends) return Verdict::known;
  return remainders_can_be_told(delta) ? Verdict::partly : Verdict::diverged;
}

bool Repeat::remainders_can_be_told(const Delta& delta) {
  // What a vendor adds goes out with all that it stands beside, or not at all.
  std::erase_if(remainders_, [](const Remainder& r) { return r.kind == Strand::Kind::vendor; });
  // Probabilities belong to whole tokens: part of them cannot be told.
  if (!delta.logprobs.empty() && !remainders_.empty()) return false;
  return std::ranges::none_of(
      remainders_, [](const Remainder& r) { return r.kind == Strand::Kind::tool_other; });
}

Repeat::Match Repeat::match(const Piece& piece) {
  const auto same = [&](const Expected& e) {
    return e.kind == piece.kind && e.choice == piece.choice && e.index == piece.index;
  };
  const auto it = std::ranges::find_if(expected_, same);
  const auto all_is_new = [&] {
    remainders_.push_back({.kind = piece.kind,
                           .choice = piece.choice,
                           .index = piece.index,
                           .text = std::string(piece.text)});
    return Match::fresh;
  };
  if (it == expected_.end()) return all_is_new();
  if (is_never_said_twice(piece.kind)) return Match::known;
  if (it->matched == it->text.size() && it->carry.empty()) return all_is_new();

  const bool had_half = !it->carry.empty();
  it->carry.append(piece.text);
  std::string held;
  if (ends_in_half_a_character(it->carry)) {
    constexpr std::size_t kEscapeBytes = 6;
    held = it->carry.substr(it->carry.size() - kEscapeBytes);
    it->carry.resize(it->carry.size() - kEscapeBytes);
  }
  std::string said;
  append_json_unescaped(it->carry, said);
  it->carry = std::move(held);
  const std::size_t common = std::min(said.size(), it->text.size() - it->matched);
  if (it->text.compare(it->matched, common, said, 0, common) != 0) {
    return piece.kind == Strand::Kind::vendor ? Match::known : Match::diverged;
  }
  it->matched += common;
  if (common == said.size()) return Match::known;
  if (piece.kind == Strand::Kind::vendor) return Match::known;
  if (piece.kind == Strand::Kind::tool_other) return Match::diverged;
  std::string rest;
  append_json_escaped(std::string_view(said).substr(common), rest);
  rest += it->carry;
  it->carry.clear();
  remainders_.push_back(
      {.kind = piece.kind, .choice = piece.choice, .index = piece.index, .text = std::move(rest)});
  return common == 0 && !had_half ? Match::fresh : Match::partly;
}

bool Repeat::caught_up(std::uint32_t choice) const {
  return std::ranges::all_of(expected_, [&](const Expected& e) {
    // A site need not make the additions of another.
    const bool is_missed = e.choice == choice && e.kind != Strand::Kind::vendor;
    return !is_missed || (e.matched == e.text.size() && e.carry.empty());
  });
}

bool Repeat::knows_call(const Delta& delta) const {
  return std::ranges::any_of(expected_, [&](const Expected& e) {
    return e.choice == delta.choice && (is_of_call(e.kind) || e.kind == Strand::Kind::tool_id);
  });
}

}  // namespace hanse::answer
