#include "apps/hanse/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "adapters/config/suggest.h"

namespace hanse::app {
namespace {

// From the program down to the verb that was understood last.
std::vector<const CLI::App*> understood(const CLI::App& app) {
  std::vector<const CLI::App*> verbs = {&app};
  while (!verbs.back()->get_subcommands().empty()) {
    verbs.push_back(verbs.back()->get_subcommands().front());
  }
  return verbs;
}

std::string full_name(const std::vector<const CLI::App*>& verbs, const CLI::App* last) {
  std::string name;
  for (const CLI::App* verb : verbs) {
    name += fmt::format("{}{}", name.empty() ? "" : " ", verb->get_name());
    if (verb == last) break;
  }
  return name;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> words(known.begin(), known.end());
  const std::string text = config::suggest(word, words);
  return text.empty() ? text : ": " + text;
}

std::vector<std::string> options_of(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> verbs_of(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::App* below : verb.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(below->get_name());
  }
  return names;
}

// What is wrong with the first word that nobody took; empty if there is none,
// or it is what another mistake leaves over.
std::string about_stranger(const CLI::App& verb, const CLI::App& last) {
  const std::vector<std::string> left = verb.remaining();
  const std::vector<std::string> verbs = verbs_of(verb);
  const bool wants_verb = &verb == &last && !verbs.empty();
  if (wants_verb && !left.empty() && !left.front().starts_with('-')) {
    return fmt::format("there is no verb '{}'{}", left.front(), suggestion(left.front(), verbs));
  }
  const auto option = std::ranges::find_if(
      left, [](const std::string& word) { return word.size() > 1 && word.starts_with('-'); });
  if (option != left.end()) {
    const std::string name = option->substr(0, option->find('='));
    return fmt::format("there is no option '{}'{}", name, suggestion(name, options_of(verb)));
  }
  if (left.empty() || wants_verb) return {};
  return fmt::format("'{}' is one word too many", left.front());
}

}  // namespace

std::string describe_misuse(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<const CLI::App*> verbs = understood(app);
  const CLI::App* where = verbs.back();
  std::string what;
  for (const CLI::App* verb : verbs) {
    what = about_stranger(*verb, *verbs.back());
    if (what.empty()) continue;
    where = verb;
    break;
  }
  if (what.empty() && !verbs_of(*where).empty()) {
    what = "a verb is missing" + suggestion("", verbs_of(*where));
  }
  if (what.empty()) what = error.what();
  const std::string name = full_name(verbs, where);
  return fmt::format("{}: {}\n`{} --help` shows what there is\n", name, what, name);
}

}  // namespace hanse::app
