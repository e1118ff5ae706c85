// src/core/limits/latency_class.h
// Which latency class a request has.
#pragma once

#include <optional>
#include <string_view>

#include "base/id.h"
#include "base/result.h"
#include "core/catalog/catalog.h"
#include "core/limits/tenants.h"

namespace hanse::limits {

// The class that the client names (Hanse-Class), else the key's, else the
// alias's.
// Fails: invalid_input for a class that does not exist, with those that do.
Result<ClassId> resolve_class(const catalog::Catalog& catalog, const Key& key, AliasId alias,
                              std::optional<std::string_view> named);

}  // namespace hanse::limits
