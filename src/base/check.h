// src/base/check.h
// Assertions for broken invariants. They stay on in release: a gateway that
// goes on with broken books does more harm than one that stops. Input never
// asserts; it returns a Result.
#pragma once

namespace hanse {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace hanse

#define HANSE_CHECK(expression)                               \
  do {                                                        \
    if (!(expression)) [[unlikely]] {                         \
      ::hanse::check_failed(#expression, __FILE__, __LINE__); \
    }                                                         \
  } while (false)
