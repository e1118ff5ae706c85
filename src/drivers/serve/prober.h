// src/drivers/serve/prober.h
// Asks sites whether they are well, one question at a time per site.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "adapters/http/client.h"
#include "base/id.h"
#include "drivers/serve/setting.h"

namespace hanse::serve {

class Prober {
 public:
  using Told = std::function<void(SiteId site, bool healthy)>;

  explicit Prober(Told told);
  ~Prober();

  // Asks `site` unless an answer of it is still awaited, or its engine has no
  // health endpoint.
  void probe(const std::shared_ptr<const Setting>& setting, SiteId site);
  // Forgets what is under way: the sites' ids are about to mean others.
  void forget_all();

 private:
  class Probe;

  Told told_;
  std::vector<std::unique_ptr<Probe>> probes_;  // by SiteId
};

}  // namespace hanse::serve
