#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "adapters/config/load.h"
#include "adapters/journal/disk.h"
#include "adapters/telemetry/record_view.h"
#include "apps/hanse/admin_client.h"
#include "apps/hanse/commands.h"
#include "core/ledger/request_id.h"
#include "drivers/serve/books_files.h"
#include "drivers/serve/kept_records.h"
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

telemetry::PrintOptions print_options() {
  return {.colour = isatty(STDOUT_FILENO) == 1, .columns = terminal_columns()};
}

std::string written(const telemetry::RecordView& view, const ExplainOptions& options) {
  if (options.json) return telemetry::to_json(view, 2);
  telemetry::PrintOptions print = print_options();
  print.columns = std::clamp<std::size_t>(print.columns, 80, 400);
  return telemetry::print(view, print);
}

struct Answer {
  bool found = false;
  std::string text;  // the record, or why there is none
};

// Fails: unavailable when no gateway gives an answer that settles it.
Result<Answer> ask_gateway(const config::GatewayOptions& gateway, const ExplainOptions& options) {
  const telemetry::PrintOptions print = print_options();
  const std::string target =
      options.json ? fmt::format("/records/{}", options.id)
                   : fmt::format("/records/{}?view=text&colour={}&columns={}", options.id,
                                 print.colour ? "on" : "off", print.columns);
  auto reply = ask_admin(gateway, target);
  if (!reply) return std::unexpected(std::move(reply.error()));
  if (reply->status == 200) return Answer{.found = true, .text = std::move(reply->body)};
  std::string why = why_refused(*reply);
  if (reply->status == 404) return Answer{.found = false, .text = std::move(why)};
  return fail({ErrorCode::unavailable, Fault::upstream, Retry::later,
               fmt::format("the gateway says: {}", why)});
}

int say(const std::string& record) {
  fmt::print("{}{}", record, record.ends_with('\n') ? "" : "\n");
  return kDone;
}

int say(const Answer& answer) {
  if (answer.found) return say(answer.text);
  fmt::print(stderr, "hanse: {}\n", answer.text);
  return kFailed;
}

}  // namespace

int explain(const ExplainOptions& options) {
  const auto id = ledger::parse_request_id(options.id);
  if (!id) {
    fmt::print(stderr, "hanse: {}\n", id.error().message);
    return kWrongInput;
  }
  const config::Loaded loaded = config::load(options.files, serve::surroundings());
  if (loaded.configuration == nullptr) {
    fmt::print(stderr, "{}", config::render(loaded.diagnostics, config::Colour::off));
    return kWrongInput;
  }
  // A gateway that runs has the newest records in memory, and finds the others.
  const config::GatewayOptions& gateway = loaded.configuration->gateway;
  const auto asked = ask_gateway(gateway, options);
  if (asked) return say(*asked);
  const auto disk = journal::posix_disk();
  const auto view = serve::find_record(*disk, serve::books_files(gateway.data_dir), *id);
  if (view) return say(written(*view, options));
  fmt::print(stderr, "hanse: {}\n", view.error().message);
  fmt::print(stderr, "       (read from the journal: {})\n", asked.error().message);
  return kFailed;
}

}  // namespace hanse::app
