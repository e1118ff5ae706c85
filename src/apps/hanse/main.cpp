// The command line. Verbs are in files of their own; this one only says what
// they are called and what they take.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "apps/hanse/commands.h"
#include "apps/hanse/usage.h"
#include "base/version.h"
#include "drivers/serve/serve.h"

namespace {

using hanse::app::Files;

constexpr const char* kAbout =
    "Hanse: one OpenAI-compatible endpoint in front of scattered AI compute.\n"
    "Gates each request by law, places it on the cheapest permitted site that meets\n"
    "its latency objective, and books every token once.";

constexpr const char* kExamples =
    "Examples:\n"
    "  hanse check config/four-sites.toml       say what is wrong with a configuration\n"
    "  hanse serve config/four-sites.toml       run the gateway\n"
    "  hanse explain req_... --config config/four-sites.toml\n"
    "                                           why a request went where it went\n"
    "  hanse drill --supplier elbe-compute --config config/four-sites.toml\n"
    "                                           what its loss would mean\n"
    "  hanse books balance --config config/four-sites.toml\n"
    "                                           who owes what\n"
    "  hanse keys new                           make an API key and its hash\n"
    "\n"
    "Exit status:\n"
    "  0: done\n"
    "  1: it could not be done, or what was checked does not hold\n"
    "  2: the command line or a file given on it is wrong\n";

void add_files(CLI::App& verb, Files& files) {
  verb.add_option("FILE", files, "Configuration files; several are one configuration")
      ->required()
      ->check(CLI::ExistingFile);
}

void add_config(CLI::App& verb, Files& files) {
  verb.add_option("-c,--config", files, "Configuration files of the gateway")
      ->required()
      ->check(CLI::ExistingFile);
}

// What stands under a verb's options: the command, and what it does if that is
// not plain.
void add_example(CLI::App& verb, const std::string& command, const std::string& meaning = "") {
  verb.footer("Example:\n  " + command + "\n" + (meaning.empty() ? "" : "      " + meaning + "\n"));
}

int run(int argc, char** argv) {
  CLI::App app{kAbout, "hanse"};
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(hanse::kVersion));

  hanse::serve::ServeOptions serve;
  CLI::App* serve_verb = app.add_subcommand(
      "serve", "Run the gateway. SIGTERM drains, SIGHUP reloads the configuration");
  add_files(*serve_verb, serve.files);
  serve_verb->add_option(
      "--record", serve.recording_file,
      "Write events and decisions (sizes and digests, never content) to this file,\n"
      "for `hanse replay --recording FILE --check`");
  add_example(*serve_verb, "hanse serve config/four-sites.toml --record run.rec");

  hanse::app::CheckOptions check;
  CLI::App* check_verb = app.add_subcommand("check", "Check a configuration without starting");
  add_files(*check_verb, check.files);
  check_verb->add_flag("--json", check.json, "Diagnostics as a JSON array");
  add_example(*check_verb, "hanse check gateway.toml tenants.toml", "two files, one configuration");

  hanse::app::ExplainOptions explain;
  CLI::App* explain_verb =
      app.add_subcommand("explain", "Why a request went where it went, and what it cost");
  explain_verb->add_option("ID", explain.id, "The x-request-id of the reply")->required();
  add_config(*explain_verb, explain.files);
  explain_verb->add_flag("--json", explain.json, "As JSON");
  add_example(*explain_verb, "hanse explain req_... --config config/four-sites.toml",
              "asks the gateway that runs with this configuration");

  hanse::app::DrillOptions drill;
  CLI::App* drill_verb = app.add_subcommand(
      "drill", "What the loss of a site, supplier or country would mean, before it happens");
  add_config(*drill_verb, drill.files);
  drill_verb->add_option("--site", drill.sites, "Without this site");
  drill_verb->add_option("--supplier", drill.suppliers, "Without the sites of this supplier");
  drill_verb->add_option("--country", drill.countries,
                         "Without the sites that stand in this country");
  drill_verb->add_option("--law", drill.laws,
                         "Without the sites that this country's law reaches, the EU's too: by\n"
                         "their place, their operator's home or whoever controls it");
  CLI::Option* live = drill_verb->add_flag(
      "--live", drill.live,
      "For real: the gateway that runs with this configuration sends nothing more\n"
      "there. What is under way ends in peace");
  drill_verb->add_option("--for", drill.lasts, "With --live: for so long, 1s to 24h [10m]")
      ->needs(live);
  drill_verb
      ->add_flag("--end", drill.end,
                 "With --live: ends it, for the sites named or, if none is, for all")
      ->needs(live);
  drill_verb->add_flag("--json", drill.json, "As JSON");
  add_example(*drill_verb, "hanse drill --config config/four-sites.toml --supplier elbe-compute",
              "who still has a lawful route, at what price, and who must be refused;\n"
              "      each option may be given several times, and all of it is lost then");

  CLI::App* keys_verb = app.add_subcommand("keys", "API keys");
  keys_verb->require_subcommand(1);
  hanse::app::KeysNewOptions keys_new;
  CLI::App* keys_new_verb =
      keys_verb->add_subcommand("new", "Make a key: print it once, and the hash to store");
  keys_new_verb->add_option("--prefix", keys_new.prefix, "What the key begins with");
  keys_new_verb->add_flag("--json", keys_new.json, "As JSON");
  add_example(*keys_verb, "hanse keys new");
  add_example(*keys_new_verb, "hanse keys new --prefix hk-acme",
              "the hash goes into [tenant.<tenant>.project.<project>.key.<key>]");

  CLI::App* books_verb = app.add_subcommand("books", "Who owes what");
  books_verb->require_subcommand(1);
  hanse::app::BooksOptions books;
  const auto add_books = [&](const char* name, const char* about) {
    CLI::App* verb = books_verb->add_subcommand(name, about);
    add_config(*verb, books.files);
    return verb;
  };
  CLI::App* balance_verb =
      add_books("balance", "What each tenant owes, what each supplier is owed, the margin");
  CLI::App* journal_verb = add_books("journal", "Every posting, in order");
  CLI::App* verify_verb =
      add_books("verify", "Check the journal alone: chain, sums, each request posted once");
  CLI::App* rebuild_verb =
      add_books("rebuild", "Make the books anew out of the journal; stop the gateway before");
  for (CLI::App* verb : {balance_verb, journal_verb, verify_verb, rebuild_verb}) {
    verb->add_flag("--json", books.json, "As JSON");
    add_example(*verb, fmt::format("hanse books {} --config config/four-sites.toml --json",
                                   verb->get_name()));
  }
  add_example(*books_verb, "hanse books balance --config config/four-sites.toml");
  journal_verb->add_option("--after", books.after, "Begin behind this entry");
  journal_verb->add_option("--limit", books.limit, "So many postings at most; all without it");

  hanse::app::ReplayOptions replay;
  CLI::App* replay_verb = app.add_subcommand(
      "replay", "Decide a run again that `hanse serve --record` has written down");
  replay_verb->add_option("--recording", replay.recording, "The recording")
      ->required()
      ->check(CLI::ExistingFile);
  bool check_recording = false;
  replay_verb->add_flag("--check", check_recording, "Compare every decision, bit for bit")
      ->required();

  replay_verb->add_flag("--json", replay.json, "As JSON");
  add_example(*replay_verb, "hanse replay --recording run.rec --check",
              "run.rec was written by `hanse serve FILE --record run.rec`");

  CLI::App* version_verb = app.add_subcommand("version", "Print the version");
  bool version_json = false;
  version_verb->add_flag("--json", version_json, "As JSON");
  add_example(*version_verb, "hanse version --json");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}", hanse::app::describe_misuse(app, error));
    return hanse::app::kWrongInput;
  }
  if (serve_verb->parsed()) return hanse::serve::serve(serve);
  if (check_verb->parsed()) return hanse::app::check(check);
  if (explain_verb->parsed()) return hanse::app::explain(explain);
  if (drill_verb->parsed()) return hanse::app::drill(drill);
  if (keys_new_verb->parsed()) return hanse::app::keys_new(keys_new);
  if (balance_verb->parsed()) return hanse::app::books_balance(books);
  if (journal_verb->parsed()) return hanse::app::books_journal(books);
  if (verify_verb->parsed()) return hanse::app::books_verify(books);
  if (rebuild_verb->parsed()) return hanse::app::books_rebuild(books);
  if (replay_verb->parsed()) return hanse::app::replay(replay);
  if (version_verb->parsed()) {
    fmt::print(fmt::runtime(version_json ? R"({{"version":"{}","build":"{}"}})"
                                           "\n"
                                         : "hanse {} ({})\n"),
               hanse::kVersion, hanse::kBuild);
  }
  return 0;
}

// A descriptor that is closed at the start would be given to the first file
// that is opened, the journal's say, and then printed to.
void keep_standard_streams() {
  int opened = 0;
  while (opened >= 0 && opened <= STDERR_FILENO) opened = open("/dev/null", O_RDWR);
  if (opened > STDERR_FILENO) close(opened);
}

// What could not be printed has not been done: a key that is lost, a balance
// that is cut.
int after_printing(int status) {
  if (std::fflush(stdout) == 0) return status;
  std::perror("hanse: the output cannot be written");
  return hanse::app::kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  try {
    return after_printing(run(argc, argv));
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "hanse: %s\n", exception.what());
    return hanse::app::kFailed;
  }
}
