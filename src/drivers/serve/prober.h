// src/drivers/serve/prober.h
// Asks sites whether they are well, and their engines how busy they are: one
// question of each sort at a time per site.
//
// Whether a site is well is told in any case. How busy it is is told only when
// it says so: an engine without a metrics page, or with one that says nothing
// that is looked for, is no worse for it, and is left alone for a while.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "adapters/engines/metrics_reader.h"
#include "adapters/http/client.h"
#include "base/id.h"
#include "drivers/serve/setting.h"

namespace hanse::serve {

class Prober {
 public:
  using Told = std::function<void(SiteId site, bool healthy)>;
  using Measured = std::function<void(SiteId site, const engines::EngineLoad& load)>;

  Prober(Told told, Measured measured);
  ~Prober();

  // Asks `site`, but not what it has still to answer, nor what its engine has
  // no page for.
  void probe(const std::shared_ptr<const Setting>& setting, SiteId site);
  // Forgets what is under way: the sites' ids are about to mean others.
  void forget_all();

 private:
  class Probe;
  class Measurement;
  struct Questions {
    std::unique_ptr<Probe> probe;
    std::unique_ptr<Measurement> measurement;
  };

  Told told_;
  Measured measured_;
  std::vector<Questions> questions_;  // by SiteId
};

}  // namespace hanse::serve
