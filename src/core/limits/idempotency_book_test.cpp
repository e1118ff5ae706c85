#include "core/limits/idempotency_book.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace hanse::limits {
namespace {

constexpr IdempotencyLimits kSmall{
    .entries_max = 4, .bytes_max = 100, .answer_bytes_max = 60, .kept_for = seconds(600)};

MonotonicTime at(Duration since_start) { return MonotonicTime(0) + since_start; }

Sha256 digest(std::string_view text) { return sha256(text); }

const Sha256 kName = digest("name");
const Sha256 kQuestion = digest("question");

// A kept answer of so many bytes.
KeptId answer(IdempotencyBook& book, std::string_view name, std::size_t bytes, MonotonicTime now) {
  const KeptId id = book.open(digest(name), kQuestion, now).value();
  EXPECT_TRUE(book.resize(id, bytes));
  book.answered(id, now);
  return id;
}

bool is_found(const IdempotencyBook& book, std::string_view name, MonotonicTime now) {
  return book.find(digest(name), kQuestion, now).has_value();
}

TEST(IdempotencyBook, FindsARequestWhileItRunsAndTenMinutesAfterItsEnd) {
  IdempotencyBook book(kSmall);
  EXPECT_FALSE(book.find(kName, kQuestion, at(seconds(0))));
  const KeptId id = book.open(kName, kQuestion, at(seconds(0))).value();
  EXPECT_EQ(book.find(kName, kQuestion, at(seconds(3'000)))->id, id);

  book.answered(id, at(seconds(3'000)));
  EXPECT_EQ(book.next_due(), at(seconds(3'600)));
  EXPECT_EQ(book.find(kName, kQuestion, at(seconds(3'600) - Duration(1)))->id, id);
  EXPECT_FALSE(book.find(kName, kQuestion, at(seconds(3'600))));
  EXPECT_EQ(book.shed(at(seconds(3'600))), id.slot);
  EXPECT_EQ(book.entries(), 0U);
}

TEST(IdempotencyBook, TellsAnotherQuestionUnderTheSameName) {
  IdempotencyBook book(kSmall);
  book.open(kName, kQuestion, at(seconds(0)));
  EXPECT_TRUE(book.find(kName, kQuestion, at(seconds(0)))->same_question);
  EXPECT_FALSE(book.find(kName, digest("another"), at(seconds(0)))->same_question);
}

TEST(IdempotencyBook, WhatIsForgottenBeginsAnew) {
  IdempotencyBook book(kSmall);
  const KeptId id = book.open(kName, kQuestion, at(seconds(0))).value();
  book.listens(id);
  book.forget(id);
  EXPECT_FALSE(book.find(kName, kQuestion, at(seconds(0))));
  EXPECT_FALSE(book.shed(at(seconds(0)))) << "somebody is still being told";

  const KeptId anew = book.open(kName, kQuestion, at(seconds(1))).value();
  EXPECT_NE(anew, id);
  book.leaves(id);
  EXPECT_EQ(book.shed(at(seconds(1))), id.slot);
  EXPECT_EQ(book.find(kName, kQuestion, at(seconds(1)))->id, anew);
}

TEST(IdempotencyBook, TheOldestAnswerMakesRoomAndWhatRunsNever) {
  IdempotencyBook book(kSmall);
  answer(book, "a", 1, at(seconds(0)));
  answer(book, "b", 1, at(seconds(1)));
  book.open(digest("c"), kQuestion, at(seconds(1)));
  book.open(digest("d"), kQuestion, at(seconds(1)));
  EXPECT_TRUE(book.open(digest("e"), kQuestion, at(seconds(1))));
  EXPECT_FALSE(is_found(book, "a", at(seconds(1))));
  EXPECT_TRUE(book.open(digest("f"), kQuestion, at(seconds(1))));
  EXPECT_FALSE(is_found(book, "b", at(seconds(1))));
  EXPECT_FALSE(book.open(digest("g"), kQuestion, at(seconds(1))));
  EXPECT_EQ(book.losses().made_room, 2U);
}

TEST(IdempotencyBook, AnAnswerThatIsBeingReadStays) {
  IdempotencyBook book({.entries_max = 2, .bytes_max = 100, .answer_bytes_max = 60});
  const KeptId read = answer(book, "a", 1, at(seconds(0)));
  book.listens(read);
  answer(book, "b", 1, at(seconds(1)));
  EXPECT_TRUE(book.open(digest("c"), kQuestion, at(seconds(2))));
  EXPECT_TRUE(is_found(book, "a", at(seconds(2))));
  EXPECT_FALSE(is_found(book, "b", at(seconds(2))));
  EXPECT_FALSE(book.open(digest("d"), kQuestion, at(seconds(2))));
}

TEST(IdempotencyBook, AnAnswerPastItsBoundIsNotKept) {
  IdempotencyBook book(kSmall);
  const KeptId id = book.open(kName, kQuestion, at(seconds(0))).value();
  EXPECT_TRUE(book.resize(id, 60));
  EXPECT_FALSE(book.resize(id, 61));
  EXPECT_FALSE(book.find(kName, kQuestion, at(seconds(0))));
  EXPECT_EQ(book.bytes(), 61U) << "it is still there while it is made";
  EXPECT_FALSE(book.resize(id, 10)) << "and stays unfound";
  book.answered(id, at(seconds(0)));
  EXPECT_EQ(book.shed(at(seconds(0))), id.slot);
  EXPECT_EQ(book.bytes(), 0U);
  EXPECT_EQ(book.losses().too_long, 1U);
}

TEST(IdempotencyBook, OldAnswersGiveTheirBytesToNewOnes) {
  IdempotencyBook book(kSmall);
  answer(book, "a", 50, at(seconds(0)));
  answer(book, "b", 40, at(seconds(1)));
  const KeptId c = book.open(digest("c"), kQuestion, at(seconds(2))).value();
  EXPECT_TRUE(book.resize(c, 60));
  EXPECT_FALSE(is_found(book, "a", at(seconds(2))));
  EXPECT_TRUE(is_found(book, "b", at(seconds(2))));
  EXPECT_EQ(book.bytes(), 100U);
}

TEST(IdempotencyBook, AnAnswerThatFindsNoRoomIsNotKept) {
  IdempotencyBook book(kSmall);
  const KeptId a = book.open(digest("a"), kQuestion, at(seconds(0))).value();
  EXPECT_TRUE(book.resize(a, 60));
  const KeptId b = book.open(digest("b"), kQuestion, at(seconds(0))).value();
  EXPECT_FALSE(book.resize(b, 41));
  EXPECT_FALSE(book.found(b));
  EXPECT_TRUE(book.found(a));
}

TEST(IdempotencyBook, NamesAreOfTheKeyAndQuestionsOfAllThatDecides) {
  EXPECT_NE(idempotency_name(digest("one key"), "v"), idempotency_name(digest("another"), "v"));
  EXPECT_NE(idempotency_name(digest("k"), "v"), idempotency_name(digest("k"), "w"));
  const IdempotentQuestion asked{
      .operation = "chat", .latency_class = "fast", .labels = "personal", .body = "{}"};
  for (auto member : {&IdempotentQuestion::operation, &IdempotentQuestion::latency_class,
                      &IdempotentQuestion::labels, &IdempotentQuestion::body}) {
    IdempotentQuestion other = asked;
    other.*member = "other";
    EXPECT_NE(digest_of(asked), digest_of(other));
  }
  IdempotentQuestion moved = asked;
  moved.latency_class = "fastp";
  moved.labels = "ersonal";
  EXPECT_NE(digest_of(asked), digest_of(moved));
}

// --- Whatever comes, against a plain list ------------------------------------

struct Row {
  KeptId id;
  std::string name;
  std::size_t bytes = 0;
  std::size_t listeners = 0;
  bool running = true;
  bool named = true;
  MonotonicTime ended{};
  std::size_t end_order = 0;
};

class Watched {
 public:
  void step() {
    now_ = now_ + seconds(*rc::gen::inRange<std::int64_t>(0, 200));
    age();
    drop_gone();
    switch (*rc::gen::inRange(0, 7)) {
      case 0:
      case 1: open(); break;
      case 2: resize(); break;
      case 3: end(); break;
      case 4: listen(); break;
      case 5: leave(); break;
      default: shed(); break;
    }
    drop_gone();
  }

  void check() {
    shed();
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
      const auto found = book_.find(digest(name), kQuestion, now_);
      const auto row = std::ranges::find_if(
          rows_, [&](const Row& r) { return r.named && r.name == std::string_view(name); });
      RC_ASSERT(found.has_value() == (row != rows_.end()));
      if (found) RC_ASSERT(found->id == row->id);
    }
    RC_ASSERT(book_.entries() == rows_.size());
    RC_ASSERT(book_.bytes() == total());
    RC_ASSERT(rows_.size() <= kSmall.entries_max);
    std::size_t kept = 0;
    for (const Row& row : rows_) kept += row.named ? row.bytes : 0;
    RC_ASSERT(kept <= kSmall.bytes_max);
    for (const Row& row : rows_) RC_ASSERT(!row.named || row.bytes <= kSmall.answer_bytes_max);
  }

  void finish() {
    for (Row& row : rows_) {
      if (row.running) book_.forget(row.id);
      for (; row.listeners > 0; --row.listeners) book_.leaves(row.id);
    }
    now_ = now_ + kSmall.kept_for;
    while (book_.shed(now_)) {
    }
    RC_ASSERT(book_.entries() == 0U);
    RC_ASSERT(book_.bytes() == 0U);
    RC_ASSERT(!book_.next_due());
  }

 private:
  std::size_t total() const {
    std::size_t sum = 0;
    for (const Row& row : rows_) sum += row.bytes;
    return sum;
  }

  void age() {
    for (Row& row : rows_) {
      if (!row.running && row.ended + kSmall.kept_for <= now_) row.named = false;
    }
  }

  void drop_gone() {
    std::erase_if(rows_,
                  [](const Row& row) { return !row.running && !row.named && row.listeners == 0; });
  }

  bool make_room() {
    drop_gone();
    Row* oldest = nullptr;
    for (Row& row : rows_) {
      if (row.running || !row.named || row.listeners > 0) continue;
      if (oldest == nullptr || row.end_order < oldest->end_order) oldest = &row;
    }
    if (oldest == nullptr) return false;
    oldest->named = false;
    drop_gone();
    return true;
  }

  void open() {
    const std::string name(1, static_cast<char>('a' + *rc::gen::inRange(0, 6)));
    if (book_.find(digest(name), kQuestion, now_)) return;
    drop_gone();
    const bool fits = rows_.size() < kSmall.entries_max || make_room();
    const auto id = book_.open(digest(name), kQuestion, now_);
    RC_ASSERT(id.has_value() == fits);
    if (id) rows_.push_back({.id = *id, .name = name});
  }

  Row* pick(bool (*fits)(const Row&)) {
    std::vector<Row*> some;
    for (Row& row : rows_) {
      if (fits(row)) some.push_back(&row);
    }
    if (some.empty()) return nullptr;
    return some[*rc::gen::inRange<std::size_t>(0, some.size())];
  }

  void resize() {
    Row* row = pick([](const Row& r) { return r.running; });
    if (row == nullptr) return;
    // Making room moves rows.
    const KeptId id = row->id;
    const auto own = [&]() -> Row& {
      return *std::ranges::find_if(rows_, [&](const Row& r) { return r.id == id; });
    };
    row->bytes = *rc::gen::inRange<std::size_t>(0, 70);
    const std::size_t bytes = row->bytes;
    bool fits = row->named;
    if (fits) {
      fits = bytes <= kSmall.answer_bytes_max;
      while (fits && total() > kSmall.bytes_max) fits = make_room();
      own().named = fits;
    }
    RC_ASSERT(book_.resize(id, bytes) == fits);
  }

  void end() {
    Row* row = pick([](const Row& r) { return r.running; });
    if (row == nullptr) return;
    row->running = false;
    row->ended = now_;
    row->end_order = ++ends_;
    if (*rc::gen::arbitrary<bool>()) return book_.answered(row->id, now_);
    row->named = false;
    book_.forget(row->id);
  }

  void listen() {
    Row* row = pick([](const Row& r) { return r.named; });
    if (row == nullptr) return;
    ++row->listeners;
    book_.listens(row->id);
  }

  void leave() {
    Row* row = pick([](const Row& r) { return r.listeners > 0; });
    if (row == nullptr) return;
    --row->listeners;
    book_.leaves(row->id);
  }

  void shed() {
    while (book_.shed(now_)) {
    }
  }

  IdempotencyBook book_{kSmall};
  std::vector<Row> rows_;
  MonotonicTime now_{0};
  std::size_t ends_ = 0;
};

RC_GTEST_PROP(IdempotencyBookProperty, AgreesWithAPlainList, ()) {
  Watched watched;
  const int steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps; ++i) {
    watched.step();
    watched.check();
  }
  watched.finish();
}

}  // namespace
}  // namespace hanse::limits
