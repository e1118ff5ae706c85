// src/adapters/config/snapshot.h
// The part of a configuration that decisions depend on, as dispatch takes it.
// Both drivers make theirs here, so that a recorded live run and its replay
// begin from the same values.
#pragma once

#include "adapters/config/configuration.h"
#include "core/dispatch/snapshot.h"

namespace hanse::config {

// A copy: a request may outlive the configuration it began under.
dispatch::SnapshotRef make_snapshot(const Configuration& configuration);

}  // namespace hanse::config
