// src/drivers/serve/secret.h
// Secrets that stand outside the configuration.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hanse::serve {

// `text` without the blanks and line ends around it. `what` names where it
// stands, for the error.
// Fails: invalid_input when nothing is left, or what may not stand in a header.
Result<std::string> header_secret(std::string_view text, std::string_view what);

// The same of a file; `what` is its part, say "admin token file".
// Fails: as header_secret(), and when the file cannot be read.
Result<std::string> read_secret(const std::filesystem::path& file, std::string_view what);

// What the admin listener asks for and its clients send; nothing without a file.
// Fails: as read_secret(), and for what no client can send as one token.
Result<std::string> read_admin_token(const std::filesystem::path& file);

}  // namespace hanse::serve
