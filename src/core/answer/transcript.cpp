#include "core/answer/transcript.h"

#include <algorithm>

#include "base/json_cursor.h"

namespace hanse::answer {
namespace {

constexpr JsonRules kRules{.lone_surrogates_allowed = true};

using Kind = Strand::Kind;

std::string_view string_or_nothing(JsonCursor& json) {
  JsonString text;
  if (json.peek() == JsonType::string && json.read_string(text)) return text.raw;
  json.skip();
  return {};
}

// What nobody here knows of a call, from its name to the end of its value.
Piece unknown_member(JsonCursor& json, const JsonString& name, Piece of) {
  json.skip();
  of.kind = Kind::tool_other;
  of.text = {name.raw.data(), static_cast<std::size_t>(json.here() - name.raw.data())};
  return of;
}

// The name and the arguments of a call: `{"name":"f","arguments":"{"}`.
void pieces_of_function(JsonCursor& json, Piece name_piece, Strand::Kind arguments,
                        std::vector<Piece>& pieces) {
  if (json.peek() != JsonType::object) {
    json.skip();
    return;
  }
  const std::size_t before = pieces.size();
  Piece arguments_piece = name_piece;
  arguments_piece.kind = arguments;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if (name.says("name")) {
      name_piece.text = string_or_nothing(json);
      if (!name_piece.text.empty()) {
        pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(before), name_piece);
      }
    } else if (name.says("arguments")) {
      arguments_piece.text = string_or_nothing(json);
      if (!arguments_piece.text.empty()) pieces.push_back(arguments_piece);
    } else {
      pieces.push_back(unknown_member(json, name, name_piece));
    }
  }
}

void pieces_of_call(JsonCursor& json, Piece piece, std::string_view calls,
                    std::vector<Piece>& pieces) {
  if (json.peek() != JsonType::object) {
    json.skip();
    return;
  }
  // The index may stand behind what it is the index of, so it is read first.
  const std::uint32_t begin = json.offset();
  json.skip();
  const std::string_view call = calls.substr(begin, json.offset() - begin);
  std::string_view id;
  std::string_view type;
  JsonCursor first(call, kRules);
  JsonObject members(first);
  for (JsonString name; members.next(name);) {
    std::string_view number;
    if (name.says("index") && first.peek() == JsonType::number && first.read_number(number)) {
      piece.index = static_cast<std::uint32_t>(json_integer(number).value_or(piece.index));
    } else if (name.says("id")) {
      id = string_or_nothing(first);
    } else if (name.says("type")) {
      type = string_or_nothing(first);
    } else {
      first.skip();
    }
  }
  const auto add = [&](Kind kind, std::string_view text) {
    if (text.empty()) return;
    pieces.push_back({.kind = kind, .choice = piece.choice, .index = piece.index, .text = text});
  };
  add(Kind::tool_id, id);
  add(Kind::tool_type, type);
  JsonCursor second(call, kRules);
  JsonObject again(second);
  for (JsonString name; again.next(name);) {
    if (name.says("function")) {
      pieces_of_function(second, piece, Kind::tool_arguments, pieces);
    } else if (name.says("index") || name.says("id") || name.says("type")) {
      second.skip();
    } else {
      pieces.push_back(unknown_member(second, name, piece));
    }
  }
}

}  // namespace

void pieces_of(const Delta& delta, std::vector<Piece>& pieces) {
  pieces.clear();
  const auto add = [&](Strand::Kind kind, std::string_view text) {
    if (!text.empty()) pieces.push_back({.kind = kind, .choice = delta.choice, .text = text});
  };
  add(Kind::reasoning, delta.reasoning);
  add(Kind::text, delta.text);
  add(Kind::refusal, delta.refusal);
  add(Kind::vendor, delta.vendor_part);
  if (!delta.tool_calls.empty()) {
    JsonCursor json(delta.tool_calls, kRules);
    if (json.peek() == JsonType::array) {
      Piece piece{.kind = Kind::tool_name, .choice = delta.choice};
      for (JsonArray array(json); array.next(); ++piece.index) {
        pieces_of_call(json, piece, delta.tool_calls, pieces);
      }
    }
  }
  if (!delta.function_call.empty()) {
    JsonCursor json(delta.function_call, kRules);
    pieces_of_function(json, {.kind = Kind::function_name, .choice = delta.choice},
                       Kind::function_arguments, pieces);
  }
}

void Transcript::add(const Delta& delta) {
  if (lost_) return;
  // Nearly every delta is text and nothing else.
  if (delta.tool_calls.empty() && delta.function_call.empty() && delta.vendor_part.empty()) {
    append(Kind::reasoning, delta.choice, 0, delta.reasoning);
    append(Kind::text, delta.choice, 0, delta.text);
    append(Kind::refusal, delta.choice, 0, delta.refusal);
    return;
  }
  std::vector<Piece> pieces;
  pieces_of(delta, pieces);
  for (const Piece& piece : pieces) add(piece);
}

void Transcript::add(const Piece& piece) {
  append(piece.kind, piece.choice, piece.index, piece.text);
}

void Transcript::append(Strand::Kind kind, std::uint32_t choice, std::uint32_t index,
                        std::string_view text) {
  if (lost_ || text.empty()) return;
  if (text.size() > kBytesMax - bytes_) return let_go();
  bytes_ += text.size();
  const auto same = [&](const Strand& strand) { return strand.is(kind, choice, index); };
  const auto it = std::ranges::find_if(strands_, same);
  if (it != strands_.end()) {
    it->text.append(text);
  } else if (strands_.size() == kStrandsMax) {
    let_go();
  } else {
    strands_.push_back({.kind = kind, .choice = choice, .index = index, .text = std::string(text)});
  }
}

void Transcript::let_go() {
  lost_ = true;
  std::vector<Strand>().swap(strands_);
}

bool Transcript::is_plain_text() const {
  const bool is_all = !lost_ && std::ranges::all_of(strands_, [](const Strand& strand) {
    return strand.kind == Kind::vendor || strand.is(Kind::text, 0, 0);
  });
  return is_all && !plain_text().empty() && !ends_in_half_a_character(plain_text());
}

std::string_view Transcript::plain_text() const {
  const auto is_text = [](const Strand& strand) { return strand.is(Kind::text, 0, 0); };
  const auto it = std::ranges::find_if(strands_, is_text);
  return it == strands_.end() ? std::string_view() : std::string_view(it->text);
}

bool ends_in_half_a_character(std::string_view escaped) {
  constexpr std::size_t kEscapeBytes = 6;  // \ud83d
  if (escaped.size() < kEscapeBytes) return false;
  const std::string_view last = escaped.substr(escaped.size() - kEscapeBytes);
  if (!last.starts_with("\\u") || (last[2] != 'd' && last[2] != 'D')) return false;
  const bool is_first_half = last[3] == '8' || last[3] == '9' || last[3] == 'a' || last[3] == 'A' ||
                             last[3] == 'b' || last[3] == 'B';
  if (!is_first_half) return false;
  // The backslash must not be an escaped one.
  std::size_t backslashes = 0;
  for (std::size_t i = escaped.size() - kEscapeBytes; i > 0 && escaped[i - 1] == '\\'; --i) {
    ++backslashes;
  }
  return backslashes % 2 == 0;
}

}  // namespace hanse::answer
