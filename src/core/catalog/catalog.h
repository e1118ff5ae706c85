// src/core/catalog/catalog.h
// What can be served: models and their variants, the names clients ask for,
// chip classes, latency classes, and what tenants pay.
//
// Part of a snapshot: built once by the configuration, never changed after.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/table.h"
#include "base/time.h"
#include "base/usage.h"

namespace hanse::catalog {

struct Chip {
  std::string name;
  std::string title;  // for people
};

struct Model {
  std::string name;
  Tokens context_tokens;  // prompt and output together
};

// One set of weights of a model: the same answers up to its precision.
struct Variant {
  std::string name;  // "<model>/<variant>", unique
  ModelId model;
  std::string precision;     // as its publisher names it, say "q4_k_m" or "bf16"
  Tokens context_tokens{0};  // of this variant where it is served; 0: the model's
};

// What a request must feel like. Objectives steer placement; the time limit
// is kept.
struct LatencyClass {
  std::string name;
  Duration first_token;  // objective: until the first token at the client
  Duration per_token;    // objective: between output tokens
  Duration time_limit;   // the whole request, all attempts
  // Of a million requests, so many may have a second attempt beside the first
  // when that is late; 0: none.
  std::int32_t hedge_budget_ppm = 0;
};

// The name a client asks for.
struct Alias {
  std::string name;
  ModelId model;
  std::vector<VariantId> variants;  // that may answer, in order of preference
  ClassId latency_class;
};

// What tenants pay, by alias.
struct PriceBook {
  std::string name;
  // Indexed by AliasId; nothing where the book does not sell the alias.
  std::vector<std::optional<TokenPrices>> prices;

  [[nodiscard]] const TokenPrices* find(AliasId alias) const {
    const std::size_t i = alias.value();
    return i < prices.size() && prices[i] ? &*prices[i] : nullptr;
  }
};

struct Catalog {
  Table<ChipId, Chip> chips;
  Table<ModelId, Model> models;
  Table<VariantId, Variant> variants;
  Table<AliasId, Alias> aliases;
  Table<ClassId, LatencyClass> classes;
  Table<PriceBookId, PriceBook> price_books;

  // How much prompt and output together a variant takes.
  [[nodiscard]] Tokens context_of(VariantId variant) const {
    const Variant& row = variants[variant];
    return row.context_tokens > Tokens(0) ? row.context_tokens : models[row.model].context_tokens;
  }
};

}  // namespace hanse::catalog
