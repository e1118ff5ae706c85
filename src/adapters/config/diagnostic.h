// src/adapters/config/diagnostic.h
// What is wrong with a configuration, where, and what would be right; for
// people as a compiler would say it, for programs as JSON.
//
// No diagnostic repeats a secret: where one stands in a file by mistake, the
// line is shown with the secret blotted out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hanse::config {

struct Diagnostic {
  enum class Severity : std::uint8_t { error, warning };

  Severity severity = Severity::error;
  std::string file;
  int line = 0;         // from 1; 0 when the whole file is meant
  int column = 0;       // from 1, in code points
  int length = 1;       // of what is wrong, in code points, on that line
  std::string path;     // "site.hamburg.slots"
  std::string message;  // what is wrong and what was expected
  std::string hint;     // what to write instead; may be empty
  std::string source;   // the line itself, fit to be shown

  // Another place that the message speaks of, say the first of two equal keys.
  struct Related {
    std::string file;
    int line = 0;
    int column = 0;
    std::string message;
  };
  std::vector<Related> related;
};

enum class Colour : std::uint8_t { off, on };

// All of them, as a compiler would print them, with a count at the end; empty
// for none. Safe for a terminal: control characters never pass.
std::string render(std::span<const Diagnostic> diagnostics, Colour colour);

// A JSON array of objects with the members' names, one per diagnostic.
std::string to_json(std::span<const Diagnostic> diagnostics);

}  // namespace hanse::config
