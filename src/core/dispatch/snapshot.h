// src/core/dispatch/snapshot.h
// The configuration as the core sees it: immutable, with a digest. Requests
// keep the snapshot they began with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/digest.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/gate/labels.h"
#include "core/gate/policy.h"
#include "core/limits/tenants.h"

namespace hanse::dispatch {

struct Snapshot {
  catalog::Catalog catalog;
  fleet::Fleet fleet;
  gate::LabelVocabulary labels;
  gate::Policies policies;
  limits::Tenants tenants;
  std::string strategy = "cheapest_within_objective";
  Sha256 digest;
};

// Shared by the driver and every request that began under it: the last of
// them frees it.
using SnapshotRef = std::shared_ptr<const Snapshot>;

}  // namespace hanse::dispatch
