// src/adapters/config/convert.h
// One value of a file: is it what its key asks for?
//
// A value that is gets its canonical form: the text that two files of the same
// meaning share, and in `number` the count of its type's base unit. One word
// where a list may stand becomes a list of one; a list without order is sorted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapters/config/document.h"
#include "adapters/config/schema.h"

namespace hanse::config {

struct Trouble {
  Place place;
  std::string message;
  std::string hint;
  bool secret = false;  // what stands there must not be shown
  bool spoils = true;   // nothing more can be said about the value
};

// Brings `node` into canonical form, or says all that is wrong with it.
// Requires: the type of `key` is neither table nor tables. Whether a reference
// names something is not judged here.
std::vector<Trouble> convert(Node& node, const Key& key);

// `value`, in the base unit of `type`, as a file would write it (without quotes).
// Requires: `type` is one of numbers.
std::string print_base(Type type, std::int64_t value);

// The value of a key that is left out, in canonical form.
// Requires: `key` has a fallback that is no table's.
Node fallback_of(const Key& key, const Place& place);

}  // namespace hanse::config
