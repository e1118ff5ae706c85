// src/adapters/telemetry/redaction.h
// The last net under logs and records: what looks like a secret is not
// printed, whoever handed it over by mistake.
//
// The first net is that nobody is handed a prompt, a reply or a key: the log
// takes typed fields only, and records hold sizes. These functions are for
// words that come from outside all the same.
#pragma once

#include <string>
#include <string_view>

namespace hanse::telemetry {

// Whether `text` can be the name of something in a configuration: at most 128
// letters, digits and `. _ - / : @ + [ ]`, no key. A sentence cannot.
bool is_name(std::string_view text);

// `text` if it is a name, else "(withheld, N bytes)".
std::string name_or_withheld(std::string_view text);

// `text` on one line, control characters as blanks, cut to `bytes_max` at a
// character's boundary, and every word that looks like an API key (hk-, sk-,
// what follows "Bearer") as "[key]".
std::string redacted(std::string_view text, std::size_t bytes_max);

}  // namespace hanse::telemetry
