// src/drivers/serve/serve.h
// The gateway as a process: configuration, listeners, signals, drain.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hanse::serve {

struct ServeOptions {
  std::vector<std::filesystem::path> files;
  std::string recording_file;  // empty: no recording
};

// Runs until SIGTERM or SIGINT have been served: a drain that lets open
// answers finish up to the configured limit; a second signal ends at once.
// SIGHUP reads the files again and keeps the old configuration if the new one
// has errors. Returns the process's exit status.
int serve(const ServeOptions& options);

}  // namespace hanse::serve
