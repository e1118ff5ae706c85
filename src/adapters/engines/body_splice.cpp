#include "adapters/engines/body_splice.h"

#include <algorithm>

namespace hanse::engines {

using answer::ByteRange;
using answer::Field;

namespace {

// The client's bytes around two changes, or four.
constexpr std::size_t kPiecesExpected = 9;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

BodySplice::BodySplice(const answer::Question& question, std::string_view body,
                       UpstreamRequest& out)
    : question_(question), body_(body), out_(out) {
  out_.pieces_.clear();
  out_.pieces_.reserve(kPiecesExpected);
  out_.own_bytes_.clear();
  out_.body_bytes_ = 0;
}

void BodySplice::change(ByteRange range, std::uint32_t text_begin) {
  changes_.push({range, text_begin, static_cast<std::uint32_t>(out_.own_bytes_.size())});
}

void BodySplice::replace(ByteRange range, std::string_view text) {
  const auto begin = static_cast<std::uint32_t>(out_.own_bytes_.size());
  out_.own_bytes_.append(text);
  change(range, begin);
}

void BodySplice::set(const Field& field, std::string_view name, std::string_view value) {
  if (field.present()) {
    replace(field.value, value);
  } else {
    add(name, value);
  }
}

void BodySplice::rename_and_set(const Field& field, std::string_view name, std::string_view value) {
  if (!field.present()) return add(name, value);
  const auto begin = static_cast<std::uint32_t>(out_.own_bytes_.size());
  out_.own_bytes_ += '"';
  out_.own_bytes_.append(name);
  out_.own_bytes_ += "\":";
  out_.own_bytes_.append(value);
  change(field.member, begin);
}

void BodySplice::cut(const Field& field) {
  const auto own = static_cast<std::uint32_t>(out_.own_bytes_.size());
  // The body is sound JSON, so there is an end to the blanks on both sides.
  std::uint32_t before = field.member.begin;
  while (is_blank(body_[before - 1])) --before;
  const bool at_head = before == head_cut_end_ || body_[before - 1] == '{';
  if (!at_head) return change({before - 1, field.member.end}, own);
  std::uint32_t comma = field.member.end;
  while (body_[comma] != ',') ++comma;
  head_cut_end_ = comma + 1;
  change({field.member.begin, head_cut_end_}, own);
}

void BodySplice::add(std::string_view name, std::string_view value) {
  const auto begin = static_cast<std::uint32_t>(out_.own_bytes_.size());
  // A question names its model, so a comma is always right.
  out_.own_bytes_ += ",\"";
  out_.own_bytes_.append(name);
  out_.own_bytes_ += "\":";
  out_.own_bytes_.append(value);
  change({question_.closing_brace, question_.closing_brace}, begin);
}

void BodySplice::push(std::string_view piece) {
  if (piece.empty()) return;
  out_.pieces_.push_back(piece);
  out_.body_bytes_ += piece.size();
}

void BodySplice::finish() {
  // Stable: what is added at one place keeps its order. A handful, so by
  // insertion, which needs no memory.
  for (std::size_t i = 1; i < changes_.size(); ++i) {
    for (std::size_t j = i; j > 0 && changes_[j].range.begin < changes_[j - 1].range.begin; --j) {
      std::swap(changes_[j], changes_[j - 1]);
    }
  }
  // The own bytes do not move any more, so views of them may be taken.
  const std::string_view own = out_.own_bytes_;
  std::uint32_t at = 0;
  for (const Change& change : changes_) {
    push(body_.substr(at, change.range.begin - at));
    push(own.substr(change.text_begin, change.text_end - change.text_begin));
    at = change.range.end;
  }
  push(body_.substr(at));
}

}  // namespace hanse::engines
