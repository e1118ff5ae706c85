#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "adapters/config/load.h"
#include "apps/hanse/admin_client.h"
#include "apps/hanse/commands.h"
#include "core/ledger/request_id.h"
#include "drivers/serve/surroundings.h"

namespace hanse::app {

namespace {

// What COLUMNS says, else the terminal, else a hundred.
std::size_t terminal_columns() {
  if (const char* columns = std::getenv("COLUMNS")) {
    if (const int wanted = std::atoi(columns); wanted > 0) return static_cast<std::size_t>(wanted);
  }
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

}  // namespace

int explain(const ExplainOptions& options) {
  if (const auto id = ledger::parse_request_id(options.id); !id) {
    fmt::print(stderr, "hanse: {}\n", id.error().message);
    return kWrongInput;
  }
  const config::Loaded loaded = config::load(options.files, serve::surroundings());
  if (loaded.configuration == nullptr) {
    fmt::print(stderr, "{}", config::render(loaded.diagnostics, config::Colour::off));
    return kWrongInput;
  }
  const bool colour = isatty(STDOUT_FILENO) == 1;
  const std::string target =
      options.json ? fmt::format("/records/{}", options.id)
                   : fmt::format("/records/{}?view=text&colour={}&columns={}", options.id,
                                 colour ? "on" : "off", terminal_columns());
  const auto reply = ask_admin(loaded.configuration->gateway, target);
  if (!reply) {
    fmt::print(stderr, "hanse: {}\n", reply.error().message);
    return kFailed;
  }
  if (reply->status != 200) {
    const auto error = nlohmann::json::parse(reply->body, nullptr, false);
    const bool told =
        error.is_object() && error.contains("error") && error["error"].contains("message");
    fmt::print(stderr, "hanse: {}\n",
               told ? error["error"]["message"].get<std::string>() : reply->body);
    return kFailed;
  }
  fmt::print("{}", reply->body);
  if (options.json) fmt::print("\n");
  return kDone;
}

}  // namespace hanse::app
