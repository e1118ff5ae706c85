// src/base/version.h
// Which Hanse this is.
#pragma once

#include <string_view>

namespace hanse {

inline constexpr std::string_view kVersion = HANSE_VERSION;
#ifdef NDEBUG
inline constexpr std::string_view kBuild = "release";
#else
inline constexpr std::string_view kBuild = "debug";
#endif

}  // namespace hanse
