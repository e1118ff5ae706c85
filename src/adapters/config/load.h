// src/adapters/config/load.h
// From TOML files to a Configuration, or to all that is wrong with them at
// once. docs/configuration.md documents every key.
//
// Several files are one configuration: their tables are merged by key, and a
// key that stands in two of them is an error that names both places. A file
// with a syntax error is reported and left out; the others are still read.
//
// No clock, no environment, no file but those named: credentials and
// certificates are opened by whoever uses them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/config/configuration.h"
#include "adapters/config/diagnostic.h"
#include "base/time.h"

namespace hanse::config {

// What the files cannot say, but are judged by.
struct Surroundings {
  WallTime now;  // certificates and keys that have expired by now get a warning
  // Words that other modules define; the defaults are those that ship.
  std::vector<std::string> strategies = {"cheapest_within_objective", "least_outstanding_tokens",
                                         "round_robin"};
  std::vector<std::string> engine_kinds = {"llama.cpp", "openai", "sglang", "vllm"};
  // Of them, those that go on from a last message of the assistant.
  std::vector<std::string> continuing_kinds = {"llama.cpp", "sglang", "vllm"};
  // Of these, those that are asked for a stream whatever the client wants.
  std::vector<std::string> streaming_kinds = {"llama.cpp"};
};

struct Loaded {
  std::shared_ptr<const Configuration> configuration;  // null when there is any error
  std::vector<Diagnostic> diagnostics;                 // by file, line and column
  // The whole meaning, defaults spelled out, one key a line in order: a file
  // that loads to the same digest. What a snapshot is kept as. Holds no secret;
  // relative paths stay as written. Empty when there is any error.
  std::string canonical;
};

struct SourceText {
  std::string name;  // as shown; relative paths in the text start in its folder
  std::string text;
};

Loaded load(std::span<const std::filesystem::path> files, const Surroundings& surroundings);
Loaded load_texts(std::span<const SourceText> texts, const Surroundings& surroundings);
Loaded load_text(std::string_view name, std::string_view text, const Surroundings& surroundings);

}  // namespace hanse::config
