// src/drivers/serve/reload.h
// What a running gateway cannot take over from new files.
#pragma once

#include <string_view>
#include <vector>

#include "adapters/config/configuration.h"

namespace hanse::serve {

// Keys whose change makes a reload be refused: the books are kept in the
// currency and the folder they were opened with, and a listener does not
// change its protocol under its clients.
std::vector<std::string_view> keys_that_cannot_change(const config::Configuration& before,
                                                      const config::Configuration& now);

// Keys and tables that have changed and count only after a restart.
std::vector<std::string_view> keys_that_wait(const config::Configuration& before,
                                             const config::Configuration& now);

}  // namespace hanse::serve
