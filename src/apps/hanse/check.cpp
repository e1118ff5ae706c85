#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "adapters/config/load.h"
#include "apps/hanse/commands.h"
#include "drivers/serve/surroundings.h"

namespace hanse::app {

int check(const CheckOptions& options) {
  const config::Loaded loaded = config::load(options.files, serve::surroundings());
  if (options.json) {
    fmt::print("{}\n", config::to_json(loaded.diagnostics));
  } else {
    const auto colour = isatty(STDERR_FILENO) == 1 ? config::Colour::on : config::Colour::off;
    fmt::print(stderr, "{}", config::render(loaded.diagnostics, colour));
  }
  if (loaded.configuration == nullptr) return kWrongInput;
  if (!options.json) {
    const config::Configuration& c = *loaded.configuration;
    fmt::print("good: {} sites, {} offers, {} tenants, {} keys, snapshot {}\n",
               c.fleet.sites.size(), c.fleet.offers.size(), c.tenants.tenants.size(),
               c.tenants.keys.size(), to_hex(c.digest).substr(0, 12));
  }
  return kDone;
}

}  // namespace hanse::app
