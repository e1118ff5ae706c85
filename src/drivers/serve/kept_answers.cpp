#include "drivers/serve/kept_answers.h"

namespace hanse::serve {

KeptAnswers::KeptAnswers(http::Loop& loop, const limits::IdempotencyLimits& limits)
    : loop_(loop), book_(limits), due_(loop, [this] { tidy(); }) {}

std::optional<KeptAnswers::Found> KeptAnswers::find(const Request& request) {
  const auto found = book_.find(request.name, request.question, now());
  if (!found) return std::nullopt;
  return Found{.answer = answers_[found->id.slot].get(), .same_question = found->same_question};
}

KeptAnswer* KeptAnswers::open(const Request& request) {
  const auto id = book_.open(request.name, request.question, now());
  tidy();
  if (!id) return nullptr;
  if (answers_.size() <= id->slot) answers_.resize(id->slot + 1);
  answers_[id->slot] = std::make_unique<KeptAnswer>(*this, *id);
  return answers_[id->slot].get();
}

void KeptAnswers::tidy() {
  while (const auto slot = book_.shed(now())) answers_[*slot].reset();
  const auto due = book_.next_due();
  if (due && !due_.armed()) due_.arm(*due);
}

}  // namespace hanse::serve
