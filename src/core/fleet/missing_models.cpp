#include "core/fleet/missing_models.h"

#include "base/check.h"

namespace hanse::fleet {

OfferLine MissingModels::line(std::string_view offer) {
  const auto known = by_name_.find(offer);
  if (known != by_name_.end()) return known->second;
  const OfferLine line(offers_.size());
  by_name_.emplace(offer, line);
  offers_.emplace_back();
  missing_.grow(offers_.size());
  return line;
}

void MissingModels::sent(OfferLine offer, MonotonicTime now) {
  HANSE_CHECK(available(offer, now));
  if (!missing_.contains(offer.value())) return;
  Offer& row = offers_[offer.value()];
  row.asked = true;
  row.missing_until = now + row.pause;
}

void MissingModels::found(OfferLine offer, MonotonicTime now) {
  if (!missing_.contains(offer.value())) return;
  missing_.erase(offer.value());
  offers_[offer.value()].missing_until = {};
  offers_[offer.value()].backoff.works(now);
}

void MissingModels::missed(OfferLine offer, MonotonicTime now) {
  Offer& row = offers_[offer.value()];
  // Requests that were under way together tell the same thing.
  if (missing_.contains(offer.value()) && !row.asked) return;
  missing_.insert(offer.value());
  row.asked = false;
  row.pause = row.backoff.fail(pauses_, now);
  row.missing_until = now + row.pause;
}

}  // namespace hanse::fleet
