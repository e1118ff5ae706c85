// src/base/wire_words.h
// The words everyone uses, as bytes: ids, quantities, digests, usage, flags.
// Found by the types of their arguments, so a module adds its own beside them.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "base/digest.h"
#include "base/id.h"
#include "base/quantity.h"
#include "base/time.h"
#include "base/usage.h"
#include "base/wire.h"

namespace hanse {

// An id that is not valid is 0, row n is n + 1.
template <typename Tag>
void write(Index<Tag> id, WireWriter& out) {
  out.varint(static_cast<std::uint32_t>(id.value()) + std::uint32_t{1});
}
template <typename Tag>
void read(Index<Tag>& id, WireReader& in) {
  const std::uint64_t word = in.up_to(std::numeric_limits<std::uint32_t>::max());
  id = word == 0 ? Index<Tag>() : Index<Tag>(word - 1);
}

template <typename Tag>
void write(Quantity<Tag> quantity, WireWriter& out) {
  out.zigzag(quantity.count());
}
template <typename Tag>
void read(Quantity<Tag>& quantity, WireReader& in) {
  quantity = Quantity<Tag>(in.zigzag());
}

// Differences wrap, so that any two values have one.
template <typename Tag>
void write_difference(Quantity<Tag> value, Quantity<Tag> from, WireWriter& out) {
  out.zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(value.count()) -
                                       static_cast<std::uint64_t>(from.count())));
}
template <typename Tag>
void read_difference(Quantity<Tag>& value, Quantity<Tag> from, WireReader& in) {
  value = Quantity<Tag>(static_cast<std::int64_t>(static_cast<std::uint64_t>(from.count()) +
                                                  static_cast<std::uint64_t>(in.zigzag())));
}

inline void write(const Sha256& digest, WireWriter& out) {
  out.raw({reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()});
}
inline void read(Sha256& digest, WireReader& in) {
  const std::string_view bytes = in.raw(digest.bytes.size());
  if (!bytes.empty()) std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
}

// Kinds that are zero cost no byte: one byte says which are there, and holds
// both flags.
inline void write(const Usage& usage, WireWriter& out) {
  std::uint8_t present = 0;
  for (const TokenKind kind : kAllTokenKinds) {
    if (usage.tokens[kind] != Tokens(0)) present |= std::uint8_t(1U << unsigned(kind));
  }
  if (usage.estimated) present |= 1U << kTokenKinds;
  if (usage.contradicted) present |= 1U << (kTokenKinds + 1);
  out.byte(present);
  for (const TokenKind kind : kAllTokenKinds) {
    if (usage.tokens[kind] != Tokens(0)) write(usage.tokens[kind], out);
  }
}
inline void read(Usage& usage, WireReader& in) {
  const std::uint64_t present = in.byte();
  if (present >= 1U << (kTokenKinds + 2)) in.fail("unknown kinds of token");
  usage = Usage();
  usage.estimated = (present >> kTokenKinds & 1U) != 0;
  usage.contradicted = (present >> (kTokenKinds + 1) & 1U) != 0;
  for (const TokenKind kind : kAllTokenKinds) {
    if ((present >> unsigned(kind) & 1U) == 0) continue;
    read(usage.tokens[kind], in);
    if (usage.tokens[kind] == Tokens(0)) in.fail("a kind of token that is not there");
  }
}

// A byte says whether it is there.
template <typename Tag>
void write(const std::optional<Quantity<Tag>>& quantity, WireWriter& out) {
  out.byte(quantity.has_value() ? 1 : 0);
  if (quantity) write(*quantity, out);
}
template <typename Tag>
void read(std::optional<Quantity<Tag>>& quantity, WireReader& in) {
  quantity.reset();
  if (in.up_to(1) == 1) read(quantity.emplace(), in);
}

// The last enumerator is the bound: a value past it is damage.
template <typename Enum>
void read_enum(Enum& value, Enum last, WireReader& in) {
  value = static_cast<Enum>(in.up_to(static_cast<std::uint64_t>(last)));
}
template <typename Enum>
void write_enum(Enum value, WireWriter& out) {
  out.varint(static_cast<std::uint64_t>(value));
}

// Counts that are never negative in practice, kept whole if they are.
inline void write(std::int32_t count, WireWriter& out) { out.zigzag(count); }
inline void read(std::int32_t& count, WireReader& in) {
  const std::int64_t word = in.zigzag();
  if (word < std::numeric_limits<std::int32_t>::min() ||
      word > std::numeric_limits<std::int32_t>::max()) {
    in.fail("a count past 32 bits");
    return;
  }
  count = static_cast<std::int32_t>(word);
}
inline void write(std::uint32_t count, WireWriter& out) { out.varint(count); }
inline void read(std::uint32_t& count, WireReader& in) {
  count = static_cast<std::uint32_t>(in.up_to(std::numeric_limits<std::uint32_t>::max()));
}

inline void write(bool flag, WireWriter& out) { out.byte(flag ? 1 : 0); }
inline void read(bool& flag, WireReader& in) { flag = in.up_to(1) == 1; }

}  // namespace hanse
