// src/core/gate/telling_labels.h
// Which labels to ask about, when all that a policy can answer is to be seen:
// one set of labels for each set of its rules that speak about a request.
#pragma once

#include <vector>

#include "core/gate/labels.h"
#include "core/gate/policy.h"

namespace hanse::gate {

// Complete sets, `least` first and in all of them: each has at most one word
// more in each dimension, and no two meet the same rules. Where several sets
// meet the same, it is one that leaves nothing unknown, then the one of the
// fewest words. A request with more words meets the rules of several of them.
std::vector<LabelSet> telling_labels(const Policy& policy, const LabelVocabulary& vocabulary,
                                     LabelSet least);

}  // namespace hanse::gate
