// src/core/fleet/missing_models.h
// Models that sites do not have, although the configuration says that they
// offer them: an engine that has not loaded one yet, or loaded another.
//
// That is no fault of the site's other models, so it does not touch the site's
// circuit. For a pause nobody asks there for this variant; then one request
// may, at the price of another pause as long, so that there is one in each and
// nobody needs to remember which it was. An answer forgives, once more "no such
// model" doubles the pause (Backoff).
//
// Plain state by the name of the offer, so that a new configuration changes
// nothing that is known; bounded by the offers that there have been.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "base/time.h"
#include "core/fleet/backoff.h"

namespace hanse::fleet {

// Given by an offer's name, dense from 0 and never reused.
using OfferLine = Index<struct OfferLineTag>;

class MissingModels {
 public:
  explicit MissingModels(Pauses pauses) : pauses_(pauses) {}

  OfferLine line(std::string_view offer);

  // Whether a request may ask for it there now.
  [[nodiscard]] bool available(OfferLine offer, MonotonicTime now) const {
    return now >= offers_[offer.value()].missing_until;
  }
  // A request does. Requires: available().
  void sent(OfferLine offer, MonotonicTime now);
  // The site has it, or says that it has not.
  void found(OfferLine offer, MonotonicTime now);
  void missed(OfferLine offer, MonotonicTime now);

  // Lines of what is not known to be there: all others are available.
  [[nodiscard]] const BitSet& missing() const { return missing_; }

 private:
  struct Offer {
    MonotonicTime missing_until;
    Duration pause;
    bool asked = false;  // since the pause before this one
    Backoff backoff;
  };

  Pauses pauses_;
  std::vector<Offer> offers_;
  BitSet missing_;
  std::map<std::string, OfferLine, std::less<>> by_name_;
};

}  // namespace hanse::fleet
