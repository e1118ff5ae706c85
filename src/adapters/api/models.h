// src/adapters/api/models.h
// The list of models, and one of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hanse::api {

struct ModelEntry {
  std::string_view alias;
  std::int64_t created_unix_seconds = 0;
  std::string_view owned_by = "hanse";
};

// Appends the body of GET /v1/models.
void write_models(std::span<const ModelEntry> models, std::string& out);
// Appends the body of GET /v1/models/{id}.
void write_model(const ModelEntry& model, std::string& out);

}  // namespace hanse::api
