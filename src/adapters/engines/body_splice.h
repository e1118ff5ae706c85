// src/adapters/engines/body_splice.h
// Changes to a client's body, made as pieces over its bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/engines/engine.h"
#include "base/bounded.h"
#include "core/answer/question.h"

namespace hanse::engines {

class BodySplice {
 public:
  // Empties `out` of what it had. Requires: the three outlive the splice.
  BodySplice(const answer::Question& question, std::string_view body, UpstreamRequest& out);

  // Puts `text` where `range` was. Ranges must not overlap; order is free, save
  // among cuts.
  void replace(answer::ByteRange range, std::string_view text);
  // Sets a member of the outermost object: in place of `field`'s value when the
  // body has it, else as the last one. `value` is JSON.
  void set(const answer::Field& field, std::string_view name, std::string_view value);
  // Like set(), but the member gets a new name.
  void rename_and_set(const answer::Field& field, std::string_view name, std::string_view value);
  // Takes a member of the outermost object out, and the comma that its going
  // makes superfluous: the one before it, or the one behind when all before it
  // went.
  // Requires: cuts come in order of the body; some member stays.
  void cut(const answer::Field& field);
  // Adds a member that the body does not have.
  void add(std::string_view name, std::string_view value);

  // Makes the pieces.
  void finish();

 private:
  struct Change {
    answer::ByteRange range;
    std::uint32_t text_begin = 0;
    std::uint32_t text_end = 0;
  };
  static constexpr std::size_t kChangesMax = 16;

  void change(answer::ByteRange range, std::uint32_t text_begin);
  void push(std::string_view piece);

  const answer::Question& question_;
  std::string_view body_;
  UpstreamRequest& out_;
  InlineVector<Change, kChangesMax> changes_;
  std::uint32_t head_cut_end_ = 0;  // all members before were cut; 0: none was
};

}  // namespace hanse::engines
