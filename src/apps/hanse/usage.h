// src/apps/hanse/usage.h
// What is wrong with a command line, and the nearest right word: a misspelt
// verb or option is named before whatever else follows from it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace hanse::app {

// For people, with the command that shows what is right; ends with a line end.
// Requires: parsing `app` has failed with `error`, which is no success.
std::string describe_misuse(const CLI::App& app, const CLI::ParseError& error);

}  // namespace hanse::app
