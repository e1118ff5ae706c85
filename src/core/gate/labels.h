// src/core/gate/labels.h
// Data labels: whose data a request carries, and of which class.
//
// A label is a value in one of three dimensions: the class of the data
// ("personal"), whose it is (subjects=EU), and special categories
// (categories=health). The words that exist are the configuration's; there
// are at most 64, so that a request's labels are one machine word.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hanse::gate {

enum class Dimension : std::uint8_t { data, subjects, categories };

std::string_view to_string(Dimension dimension);

// A set of labels, by their position in a LabelVocabulary.
class LabelSet {
 public:
  constexpr LabelSet() = default;
  constexpr explicit LabelSet(std::uint64_t bits) : bits_(bits) {}

  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr bool intersects(LabelSet other) const { return (bits_ & other.bits_) != 0; }
  constexpr LabelSet operator|(LabelSet other) const { return LabelSet(bits_ | other.bits_); }
  constexpr LabelSet operator&(LabelSet other) const { return LabelSet(bits_ & other.bits_); }
  constexpr LabelSet operator-(LabelSet other) const { return LabelSet(bits_ & ~other.bits_); }
  constexpr bool operator==(const LabelSet&) const = default;

 private:
  std::uint64_t bits_ = 0;
};

class LabelVocabulary {
 public:
  static constexpr std::size_t kLabelsMax = 64;

  // Fails: at_capacity past 64 labels, conflict for one that is there.
  Result<LabelSet> add(Dimension dimension, std::string word);

  // The set of one label; nothing when the word is unknown in `dimension`.
  [[nodiscard]] std::optional<LabelSet> find(Dimension dimension, std::string_view word) const;
  [[nodiscard]] LabelSet all(Dimension dimension) const;

  // Reads `personal; subjects=EU,CH; categories=health`; `none` alone is the
  // empty set. Words are case-insensitive, blanks are free.
  // Fails: invalid_input that names the word, its position, and the words that
  // exist; never ignores a part.
  [[nodiscard]] Result<LabelSet> parse(std::string_view text) const;

  // The canonical text of a set, which parse() reads back.
  [[nodiscard]] std::string print(LabelSet labels) const;

 private:
  struct Label {
    Dimension dimension;
    std::string word;
  };
  std::vector<Label> labels_;
};

}  // namespace hanse::gate
