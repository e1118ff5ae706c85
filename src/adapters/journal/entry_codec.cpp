#include "adapters/journal/entry_codec.h"

#include <limits>
#include <string>

#include <fmt/format.h>

#include "adapters/journal/bytes.h"
#include "base/check.h"

namespace hanse::journal {
namespace {

using namespace ledger;

enum class Kind : std::uint8_t {
  epoch_started = 1,
  account_registered = 2,
  hold_opened = 3,
  attempt_opened = 4,
  watermark = 5,
  attempt_closed = 6,
  request_closed = 7,
  hold_released = 8,
  attempt_lost = 9,
  request_lost = 10,
  seal_begun = 11,
  sealed_account = 12,
  sealed_hold = 13,
  sealed_attempt = 14,
  seal_ended = 15,
  request_refused = 16,
};

constexpr std::uint8_t kHasPayload = 1;
// A second and third flag, by kind.
constexpr std::uint8_t kEstimated = 2;
constexpr std::uint8_t kContradicted = 4;
constexpr std::uint8_t kSameProgress = 2;
constexpr std::uint8_t kWatermarked = 2;

constexpr std::uint8_t kWide = 0x80;  // in the mask of token kinds
constexpr std::size_t kHeadBytes = 12;

// --- Fields, one pair of functions each. `Io` is a Writer or a Reader, so
// that the order of a kind's fields is written down once. ---

class Writer {
 public:
  static constexpr bool kReads = false;
  explicit Writer(std::uint8_t* at) : bytes(at) {}

  void operator()(const Epoch& v) { bytes.u32(static_cast<std::uint32_t>(v.count())); }
  void operator()(const RequestNumber& v) {
    (*this)(v.epoch);
    bytes.i64(v.sequence);
  }
  void operator()(const AttemptNumber& v) { bytes.u8(static_cast<std::uint8_t>(v)); }
  void operator()(const AccountNumber& v) { bytes.u32(static_cast<std::uint32_t>(v.value())); }
  void operator()(const AccountKind& v) { bytes.u8(static_cast<std::uint8_t>(v)); }
  void operator()(const Outcome& v) { bytes.u8(static_cast<std::uint8_t>(v)); }
  void operator()(const Refusal& v) { bytes.u8(static_cast<std::uint8_t>(v)); }
  void operator()(const Money& v) { bytes.i64(v.count()); }
  void operator()(const WallTime& v) { bytes.i64(v.count()); }
  void operator()(const Position& v) { bytes.i64(v.count()); }
  void operator()(const Sum& v) { bytes.i128(v); }
  void operator()(const std::int64_t& v) { bytes.i64(v); }
  void operator()(const std::uint32_t& v) { bytes.u32(v); }
  void operator()(const std::array<std::uint8_t, 16>& v) { bytes.bytes(v); }
  void operator()(const Currency& v) {
    for (const char c : v.letters) bytes.u8(static_cast<std::uint8_t>(c));
  }
  void operator()(const AccountPath& v) {
    const std::string_view text = v.text();
    bytes.u8(static_cast<std::uint8_t>(text.size()));
    for (const char c : text) bytes.u8(static_cast<std::uint8_t>(c));
  }
  template <typename Value>
  void operator()(const PerTokenKind<Value>& v) {
    std::uint8_t mask = 0;
    for (std::size_t i = 0; i < kTokenKinds; ++i) {
      const std::int64_t value = v.values[i].count();
      if (value != 0) mask = static_cast<std::uint8_t>(mask | (1U << i));
      if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) mask |= kWide;
    }
    bytes.u8(mask);
    for (const Value& each : v.values) {
      if (each.count() == 0) continue;
      if ((mask & kWide) != 0) {
        bytes.i64(each.count());
      } else {
        bytes.u32(static_cast<std::uint32_t>(each.count()));
      }
    }
  }
  void operator()(const Usage& v) {
    (*this)(v.tokens);
    flag(v.estimated, kEstimated);
    flag(v.contradicted, kContradicted);
  }
  void operator()(const Progress& v) {
    (*this)(v.confirmed);
    (*this)(v.may_leave);
  }
  void flag(const bool& v, std::uint8_t bit) {
    if (v) flags |= bit;
  }

  ByteWriter bytes;
  std::uint8_t flags = 0;
};

class Reader {
 public:
  static constexpr bool kReads = true;
  Reader(std::span<const std::uint8_t> from, std::uint8_t given) : bytes(from), flags(given) {}

  void operator()(Epoch& v) {
    v = Epoch(bytes.u32());
    require(v <= kEpochMax);
  }
  void operator()(RequestNumber& v) {
    (*this)(v.epoch);
    v.sequence = bytes.i64();
  }
  void operator()(AttemptNumber& v) { v = AttemptNumber{bytes.u8()}; }
  void operator()(AccountNumber& v) { v = AccountNumber(bytes.u32()); }
  void operator()(AccountKind& v) {
    v = static_cast<AccountKind>(bytes.u8());
    require(v >= AccountKind::receivable && v <= AccountKind::suspense_payable);
  }
  void operator()(Outcome& v) {
    v = static_cast<Outcome>(bytes.u8());
    require(v >= Outcome::completed && v <= Outcome::lost);
  }
  void operator()(Refusal& v) {
    v = static_cast<Refusal>(bytes.u8());
    require(v >= Refusal::by_law && v <= Refusal::no_site);
  }
  void operator()(Money& v) { v = Money(bytes.i64()); }
  void operator()(WallTime& v) { v = WallTime(bytes.i64()); }
  void operator()(Position& v) { v = Position(bytes.i64()); }
  void operator()(Sum& v) { v = bytes.i128(); }
  void operator()(std::int64_t& v) { v = bytes.i64(); }
  void operator()(std::uint32_t& v) { v = bytes.u32(); }
  void operator()(std::array<std::uint8_t, 16>& v) { bytes.bytes(v); }
  void operator()(Currency& v) {
    for (char& c : v.letters) c = static_cast<char>(bytes.u8());
  }
  void operator()(AccountPath& v) {
    const auto text = bytes.view(bytes.u8());
    const auto path = AccountPath::parse({reinterpret_cast<const char*>(text.data()), text.size()});
    require(path.has_value());
    if (path) v = *path;
  }
  template <typename Value>
  void operator()(PerTokenKind<Value>& v) {
    const std::uint8_t mask = bytes.u8();
    const bool wide = (mask & kWide) != 0;
    bool needs_wide = false;
    require((mask & ~(kWide | 0x1FU)) == 0);
    for (std::size_t i = 0; i < kTokenKinds; ++i) {
      std::int64_t value = 0;
      if (((mask >> i) & 1U) != 0) {
        value = wide ? bytes.i64() : static_cast<std::int64_t>(bytes.u32());
        require(value != 0);
      }
      needs_wide |= value < 0 || value > std::numeric_limits<std::uint32_t>::max();
      v.values[i] = Value(value);
    }
    require(wide == needs_wide);
  }
  void operator()(Usage& v) {
    (*this)(v.tokens);
    flag(v.estimated, kEstimated);
    flag(v.contradicted, kContradicted);
  }
  void operator()(Progress& v) {
    (*this)(v.confirmed);
    (*this)(v.may_leave);
  }
  void flag(bool& v, std::uint8_t bit) {
    v = (flags & bit) != 0;
    flags = static_cast<std::uint8_t>(flags & ~bit);
  }
  void require(bool holds) { sound = sound && holds; }

  ByteReader bytes;
  std::uint8_t flags;  // those not yet accounted for
  bool sound = true;
};

// --- The fields of each kind, in order. ---

template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<EpochStarted>) {
  io(b.epoch);
  io(b.machine_boot);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<AccountRegistered>) {
  io(b.number);
  io(b.kind);
  io(b.currency);
  io(b.path);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<HoldOpened>) {
  io(b.request);
  io(b.receivable);
  io(b.amount);
  io(b.prices);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<AttemptOpened>) {
  io(b.request);
  io(b.attempt);
  io(b.payable);
  io(b.prices);
  io(b.tokens_max);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<Watermark>) {
  io(b.request);
  io(b.attempt);
  io(b.tenant);
  // Nearly always the same, so the second is written only when it differs.
  bool same = b.supplier == b.tenant;
  io.flag(same, kSameProgress);
  if constexpr (Io::kReads) {
    if (same) {
      b.supplier = b.tenant;
    } else {
      io(b.supplier);
      io.require(b.supplier != b.tenant);
    }
  } else if (!same) {
    io(b.supplier);
  }
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<AttemptClosed>) {
  io(b.request);
  io(b.attempt);
  io(b.outcome);
  io(b.usage);
  io(b.owed);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<RequestClosed>) {
  io(b.request);
  io(b.outcome);
  io(b.usage);
  io(b.charged);
  io(b.written_off);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<HoldReleased>) {
  io(b.request);
  io(b.outcome);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<AttemptLost>) {
  io(b.request);
  io(b.attempt);
  io(b.progress);
  io(b.owed);
  io(b.in_doubt);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<RequestLost>) {
  io(b.request);
  io(b.progress);
  io(b.charged);
  io(b.written_off);
  io(b.in_doubt);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<SealBegun>) {
  io(b.epoch);
  io(b.last_sequence);
  io(b.accounts);
  io(b.holds);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<SealedAccount>) {
  fields(io, b.account, std::type_identity<AccountRegistered>{});
  io(b.debits);
  io(b.credits);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<SealedHold>) {
  fields(io, b.hold, std::type_identity<HoldOpened>{});
  io(b.opened_at);
  io(b.opened);
  io(b.last_attempt);
  io(b.progress);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<SealedAttempt>) {
  fields(io, b.attempt, std::type_identity<AttemptOpened>{});
  io(b.opened_at);
  io.flag(b.watermarked, kWatermarked);
  io(b.progress);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<SealEnded>) {
  io(b.accounts);
  io(b.holds);
  io(b.attempts);
}
template <typename Io, typename Body>
void fields(Io& io, Body& b, std::type_identity<RequestRefused>) {
  io(b.request);
  io(b.why);
}

// The kinds' numbers are the places in the variant, plus one.
template <Kind kind, typename Body>
constexpr bool kAt =
    std::is_same_v<std::variant_alternative_t<static_cast<std::size_t>(kind) - 1, EntryBody>, Body>;
static_assert(std::variant_size_v<EntryBody> == static_cast<std::size_t>(Kind::request_refused));
static_assert(kAt<Kind::epoch_started, EpochStarted> &&
              kAt<Kind::account_registered, AccountRegistered> &&
              kAt<Kind::hold_opened, HoldOpened> && kAt<Kind::attempt_opened, AttemptOpened> &&
              kAt<Kind::watermark, Watermark> && kAt<Kind::attempt_closed, AttemptClosed> &&
              kAt<Kind::request_closed, RequestClosed> && kAt<Kind::hold_released, HoldReleased> &&
              kAt<Kind::attempt_lost, AttemptLost> && kAt<Kind::request_lost, RequestLost> &&
              kAt<Kind::seal_begun, SealBegun> && kAt<Kind::sealed_account, SealedAccount> &&
              kAt<Kind::sealed_hold, SealedHold> && kAt<Kind::sealed_attempt, SealedAttempt> &&
              kAt<Kind::seal_ended, SealEnded> && kAt<Kind::request_refused, RequestRefused>);

template <std::size_t place>
void read_body(Reader& reader, EntryBody& body) {
  using Body = std::variant_alternative_t<place, EntryBody>;
  fields(reader, body.emplace<place>(), std::type_identity<Body>{});
}

template <std::size_t... places>
bool read_kind(std::size_t wanted, Reader& reader, EntryBody& body,
               std::index_sequence<places...>) {
  using Read = void (*)(Reader&, EntryBody&);
  static constexpr std::array<Read, sizeof...(places)> kReads = {&read_body<places>...};
  if (wanted >= kReads.size()) return false;
  kReads[wanted](reader, body);
  return true;
}

std::unexpected<Error> damaged(std::string what) {
  return fail({ErrorCode::broken, Fault::us, Retry::no, std::move(what)});
}

}  // namespace

std::size_t encode(const Entry& entry, const PayloadMark* payload,
                   std::span<std::uint8_t, kRecordBytesMax> out) {
  Writer writer(out.data() + kHeadBytes);
  std::visit([&writer]<typename Body>(
                 const Body& body) { fields(writer, body, std::type_identity<Body>{}); },
             entry.body);
  if (payload != nullptr) {
    writer.flags |= kHasPayload;
    writer.bytes.bytes(payload->salted_digest.bytes);
    writer.bytes.u32(payload->bytes);
  }
  const std::size_t size = kHeadBytes + writer.bytes.size();
  HANSE_CHECK(size <= kRecordBytesMax);
  ByteWriter head(out.data());
  head.u16(static_cast<std::uint16_t>(size));
  head.u8(static_cast<std::uint8_t>(entry.body.index() + 1));
  head.u8(writer.flags);
  head.i64(entry.at.count());
  return size;
}

Result<std::size_t> decode(std::span<const std::uint8_t> bytes, Record& record) {
  ByteReader head(bytes);
  const std::size_t size = head.u16();
  const std::size_t kind = head.u8();
  const std::uint8_t flags = head.u8();
  record.entry.at = WallTime(head.i64());
  if (head.ran_out() || size < kHeadBytes || size > bytes.size() || size > kRecordBytesMax) {
    return damaged("a record is cut short");
  }
  Reader reader(bytes.subspan(kHeadBytes, size - kHeadBytes), flags);
  constexpr auto kPlaces = std::make_index_sequence<std::variant_size_v<EntryBody>>{};
  if (kind == 0 || !read_kind(kind - 1, reader, record.entry.body, kPlaces)) {
    return damaged(fmt::format("a record is of the unknown kind {}", kind));
  }
  bool has_payload = false;
  reader.flag(has_payload, kHasPayload);
  record.payload.reset();
  if (has_payload) {
    PayloadMark& mark = record.payload.emplace();
    reader.bytes.bytes(mark.salted_digest.bytes);
    mark.bytes = reader.bytes.u32();
    reader.require(mark.bytes >= 1 && mark.bytes <= kPayloadBytesMax);
  }
  if (!reader.sound || reader.flags != 0 || reader.bytes.ran_out() || reader.bytes.left() != 0) {
    return damaged(fmt::format("a record of kind {} is malformed", kind_name(record.entry.body)));
  }
  return size;
}

}  // namespace hanse::journal
