#include "core/gate/labels.h"

#include "base/ascii.h"
#include "base/nearest_word.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace hanse::gate {
namespace {

constexpr std::string_view kNone = "none";
constexpr std::string_view kUnknown = "unknown";
constexpr std::array kDimensions = {Dimension::data, Dimension::subjects, Dimension::categories};
constexpr std::array<std::string_view, 3> kDimensionNames = {"data", "subjects", "categories"};

bool is_word_letter(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
}

// What the client sent, short and printable, to be put into a message.
// Not `quoted`: for a std::string that could be the standard one.
std::string in_quotes(std::string_view text) {
  std::string shown(text.substr(0, LabelVocabulary::kWordLengthMax));
  for (char& c : shown) {
    if (c < ' ' || c > '~' || c == '"') c = '?';
  }
  return fmt::format("\"{}{}\"", shown, shown.size() < text.size() ? "..." : "");
}

// A piece of the text between two separators, and where it begins.
struct Piece {
  std::string_view text;
  std::size_t offset = 0;

  // For people, who count from one.
  [[nodiscard]] std::size_t position() const { return offset + 1; }
};

Piece without_blanks(Piece piece) {
  const std::size_t begin = std::min(piece.text.find_first_not_of(kBlanks), piece.text.size());
  return {trimmed(piece.text), piece.offset + begin};
}

// Takes the piece up to the next `separator` off `rest`; `more` says whether
// there was one.
Piece take(Piece& rest, char separator, bool& more) {
  const std::size_t at = rest.text.find(separator);
  more = at != std::string_view::npos;
  const Piece piece = without_blanks({rest.text.substr(0, at), rest.offset});
  const std::size_t used = more ? at + 1 : rest.text.size();
  rest = {rest.text.substr(used), rest.offset + used};
  return piece;
}

std::optional<Dimension> dimension_of(std::string_view name) {
  for (std::size_t i = 0; i < kDimensions.size(); ++i) {
    if (equal_but_for_case(name, kDimensionNames[i])) return kDimensions[i];
  }
  return std::nullopt;
}

// Reads the `subjects =` of a part and leaves its words; `data` without one.
Result<Dimension> take_dimension(Piece& part) {
  const std::size_t equals = part.text.find('=');
  if (equals == std::string_view::npos) return Dimension::data;
  const Piece name = without_blanks({part.text.substr(0, equals), part.offset});
  const auto dimension = dimension_of(name.text);
  if (!dimension) {
    const std::string_view near = nearest_word(name.text, kDimensionNames);
    return invalid_input(
        fmt::format("data labels: there is no dimension {} (at position {}){}; there are {}",
                    in_quotes(name.text), name.position(),
                    near.empty() ? std::string() : fmt::format("; did you mean {}?", near),
                    fmt::join(kDimensionNames, ", ")));
  }
  part = {part.text.substr(equals + 1), part.offset + equals + 1};
  return *dimension;
}

std::unexpected<Error> empty_piece(const Piece& piece) {
  return invalid_input(
      fmt::format("data labels: nothing stands at position {}; write `none` where there are none",
                  piece.position()));
}

}  // namespace

std::string_view to_string(Dimension dimension) {
  return kDimensionNames[static_cast<std::size_t>(dimension)];
}

LabelVocabulary::LabelVocabulary()
    : labels_{{Dimension::data, std::string(kUnknown)},
              {Dimension::subjects, std::string(kUnknown)}} {}

Result<LabelSet> LabelVocabulary::add(Dimension dimension, std::string word) {
  const bool spelt_well = !word.empty() && word.size() <= kWordLengthMax &&
                          std::ranges::all_of(word, is_word_letter) &&
                          !equal_but_for_case(word, kNone);
  if (!spelt_well) {
    return invalid_input(fmt::format(
        "{} cannot be a data label: one has up to {} letters, digits, '.', '_' or '-', and is not "
        "`none`",
        in_quotes(word), kWordLengthMax));
  }
  if (find(dimension, word)) {
    return fail({ErrorCode::conflict, Fault::client, Retry::no,
                 fmt::format("the {} label {} is there already", to_string(dimension), word)});
  }
  if (labels_.size() == kLabelsMax) {
    return fail({ErrorCode::at_capacity, Fault::client, Retry::no,
                 fmt::format("there is no room for the {} label {}: {} data labels at most, two of "
                             "them `unknown`",
                             to_string(dimension), word, kLabelsMax)});
  }
  labels_.push_back({dimension, std::move(word)});
  return LabelSet(std::uint64_t{1} << (labels_.size() - 1));
}

std::optional<LabelSet> LabelVocabulary::find(Dimension dimension, std::string_view word) const {
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i].dimension == dimension && equal_but_for_case(labels_[i].word, word)) {
      return LabelSet(std::uint64_t{1} << i);
    }
  }
  return std::nullopt;
}

LabelSet LabelVocabulary::all(Dimension dimension) const {
  LabelSet set;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i].dimension == dimension) set = set | LabelSet(std::uint64_t{1} << i);
  }
  return set;
}

LabelSet LabelVocabulary::all() const {
  LabelSet labels;
  for (const Dimension dimension : kDimensions) labels = labels | all(dimension);
  return labels;
}

LabelSet LabelVocabulary::complete(LabelSet labels) const {
  if (labels.empty()) return labels;
  LabelSet whole = labels;
  if (!labels.intersects(all(Dimension::data))) whole = whole | kUnknownData;
  if (!labels.intersects(all(Dimension::subjects))) whole = whole | kUnknownSubjects;
  return whole;
}

Result<LabelSet> LabelVocabulary::parse(std::string_view text) const {
  const auto labels = parse_additions(text);
  if (!labels) return labels;
  return complete(*labels);
}

Result<LabelSet> LabelVocabulary::parse_additions(std::string_view text) const {
  if (equal_but_for_case(without_blanks({text, 0}).text, kNone)) return LabelSet();
  LabelSet labels;
  Piece rest{text, 0};
  for (bool more_parts = true; more_parts;) {
    Piece part = take(rest, ';', more_parts);
    if (part.text.empty()) return empty_piece(part);
    const auto dimension = take_dimension(part);
    if (!dimension) return std::unexpected(dimension.error());
    for (bool more_words = true; more_words;) {
      const Piece word = take(part, ',', more_words);
      if (word.text.empty()) return empty_piece(word);
      const auto label = find(*dimension, word.text);
      if (!label) return fail(unknown_word(*dimension, word.text, word.position()));
      labels = labels | *label;
    }
  }
  return labels;
}

Error LabelVocabulary::unknown_word(Dimension dimension, std::string_view word,
                                    std::size_t position) const {
  std::vector<std::string_view> words;
  for (const Label& label : labels_) {
    if (label.dimension == dimension) words.push_back(label.word);
  }
  std::string message = fmt::format("data labels: there is no {} label {} (at position {})",
                                    to_string(dimension), in_quotes(word), position);
  if (equal_but_for_case(word, kNone)) {
    message += "; `none` stands alone";
  } else if (const auto near = nearest_word(word, words); !near.empty()) {
    message += fmt::format("; did you mean {}?", near);
  }
  // Told apart from a word that exists elsewhere, which is the usual mistake.
  for (const Dimension other : kDimensions) {
    if (other == dimension || !find(other, word) || equal_but_for_case(word, kUnknown)) continue;
    message += fmt::format("; {}={} exists", to_string(other), word);
  }
  if (words.empty()) {
    message += "; there are none";
  } else {
    message += fmt::format("; there are {}", fmt::join(words, ", "));
  }
  return {ErrorCode::invalid_input, Fault::client, Retry::no, std::move(message)};
}

std::string LabelVocabulary::list(Dimension dimension, LabelSet labels) const {
  std::string text;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const bool listed =
        labels_[i].dimension == dimension && labels.intersects(LabelSet(std::uint64_t{1} << i));
    if (!listed) continue;
    if (!text.empty()) text += ",";
    text += labels_[i].word;
  }
  return text;
}

std::string LabelVocabulary::print(LabelSet labels) const {
  if (labels.empty()) return std::string(kNone);
  std::string text;
  for (const Dimension dimension : kDimensions) {
    const std::string words = list(dimension, labels);
    // `unknown` by itself is what leaving the class or the subjects out says.
    if (words.empty() || (dimension != Dimension::categories && words == kUnknown)) continue;
    if (!text.empty()) text += "; ";
    if (dimension != Dimension::data) text += fmt::format("{}=", to_string(dimension));
    text += words;
  }
  return text.empty() ? std::string(kUnknown) : text;
}

Result<LabelSet> resolve_labels(const LabelVocabulary& vocabulary, const LabelClaim& claim) {
  const LabelSet held = vocabulary.complete(claim.tenant_default);
  if (!claim.header) return held;
  if (claim.may_relax) return vocabulary.parse(*claim.header);
  // The default is completed first: subjects that it leaves unknown stay so,
  // whatever the header adds.
  const auto additions = vocabulary.parse_additions(*claim.header);
  if (!additions) return additions;
  return vocabulary.complete(held | *additions);
}

}  // namespace hanse::gate
