// src/core/gate/labels.h
// Data labels: whose data a request carries, and of which class.
//
// A label is a word in one of three dimensions: the class of the data
// ("personal"), whose it is (subjects=EU), and special categories
// (categories=health). The words that exist are the configuration's; there
// are at most 64, so that a request's labels are one machine word.
//
// Leaving something out must never be a way round a rule. So a set that is not
// empty and names no class, or no subjects, carries the word `unknown` there,
// which matches every rule's class or subjects; such a set is complete. Naming
// no category says that there is none. `unknown` stays when words are added:
// over complete sets, more labels meet more rules and never fewer, which is
// what lets a header that only adds be trusted.
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
  [[nodiscard]] constexpr bool intersects(LabelSet other) const {
    return (bits_ & other.bits_) != 0;
  }
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
  static constexpr std::size_t kWordLengthMax = 64;
  // In every vocabulary from the start.
  static constexpr LabelSet kUnknownData{1};
  static constexpr LabelSet kUnknownSubjects{2};

  LabelVocabulary();

  // Adds a word of letters, digits, '.', '_' and '-'.
  // Fails: at_capacity past 64 labels, conflict for one that is there (case
  // aside, as `unknown` always is), invalid_input for another spelling or `none`.
  Result<LabelSet> add(Dimension dimension, std::string word);

  // The set of one label; nothing when the word is unknown in `dimension`.
  [[nodiscard]] std::optional<LabelSet> find(Dimension dimension, std::string_view word) const;
  [[nodiscard]] LabelSet all(Dimension dimension) const;
  [[nodiscard]] LabelSet all() const;

  // `labels` with `unknown` where a class or subjects are not named.
  [[nodiscard]] LabelSet complete(LabelSet labels) const;

  // Reads `personal; subjects=EU,CH; categories=health` as a complete set;
  // `none` alone is the empty set. A part without `=` names classes, as
  // `data=` does. Words are case-insensitive, blanks are free, saying a thing
  // twice is saying it.
  // Fails: invalid_input that names the word, its position, and the words that
  // exist; never ignores a part.
  [[nodiscard]] Result<LabelSet> parse(std::string_view text) const;

  // The words that `text` adds to a set, not completed.
  // Fails: as parse().
  [[nodiscard]] Result<LabelSet> parse_additions(std::string_view text) const;

  // The shortest text that parse() reads back as complete(labels).
  [[nodiscard]] std::string print(LabelSet labels) const;

 private:
  struct Label {
    Dimension dimension;
    std::string word;
  };

  [[nodiscard]] std::string list(Dimension dimension, LabelSet labels) const;
  [[nodiscard]] Error unknown_word(Dimension dimension, std::string_view word,
                                   std::size_t position) const;

  std::vector<Label> labels_;
};

// What decides the labels of a request.
struct LabelClaim {
  LabelSet tenant_default;
  std::optional<std::string_view> header;  // Hanse-Data, as sent
  bool may_relax = false;                  // of the key
};

// The labels that a request carries, complete. The header adds to the tenant's
// default, so that `none` adds nothing; that of a key that may relax replaces
// it. Without a header the default holds for every key.
// Fails: as LabelVocabulary::parse().
Result<LabelSet> resolve_labels(const LabelVocabulary& vocabulary, const LabelClaim& claim);

}  // namespace hanse::gate
