#include "core/answer/repeat.h"

#include <algorithm>

#include "base/check.h"
#include "base/json_cursor.h"

namespace hanse::answer {

Repeat::Repeat(const Transcript& delivered) {
  HANSE_CHECK(!delivered.lost());
  for (const Strand& strand : delivered.strands()) {
    Expected& expected = expected_.emplace_back();
    expected.kind = strand.kind;
    expected.choice = strand.choice;
    expected.index = strand.index;
    append_json_unescaped(strand.text, expected.text);
  }
}

Repeat::Verdict Repeat::take(const Delta& delta) {
  remainders_.clear();
  pieces_of(delta, pieces_);
  bool any_known = pieces_.empty() && !delta.tool_calls.empty() && knows_call(delta);
  bool any_new = false;
  for (const Piece& piece : pieces_) {
    switch (match(piece)) {
      case Match::diverged: return Verdict::diverged;
      case Match::known: any_known = true; break;
      case Match::fresh: any_new = true; break;
      case Match::partly: any_known = any_new = true; break;
    }
  }
  const bool ends = delta.finish != Finish::none;
  if ((any_new || ends) && !caught_up(delta.choice)) return Verdict::diverged;
  // Whatever else it says was said before, as far as anybody can tell.
  if (!any_new && !ends && !caught_up(delta.choice)) return Verdict::known;
  if (!any_known) return Verdict::fresh;
  if (!any_new && !ends) return Verdict::known;
  // Probabilities belong to whole tokens: part of them cannot be told.
  return delta.logprobs.empty() || !any_new ? Verdict::partly : Verdict::diverged;
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
  if (it->text.compare(it->matched, common, said, 0, common) != 0) return Match::diverged;
  it->matched += common;
  if (common == said.size()) return Match::known;
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
    return e.choice != choice || (e.matched == e.text.size() && e.carry.empty());
  });
}

bool Repeat::knows_call(const Delta& delta) const {
  return std::ranges::any_of(expected_, [&](const Expected& e) {
    return e.choice == delta.choice &&
           (e.kind == Strand::Kind::tool_name || e.kind == Strand::Kind::tool_arguments);
  });
}

}  // namespace hanse::answer
