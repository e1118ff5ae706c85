#include "adapters/config/snapshot.h"

#include <memory>

namespace hanse::config {

dispatch::SnapshotRef make_snapshot(const Configuration& configuration) {
  return std::make_shared<const dispatch::Snapshot>(dispatch::Snapshot{
      .catalog = configuration.catalog,
      .fleet = configuration.fleet,
      .labels = configuration.labels,
      .policies = configuration.policies,
      .tenants = configuration.tenants,
      .strategy = configuration.gateway.strategy,
      .digest = configuration.digest,
  });
}

}  // namespace hanse::config
