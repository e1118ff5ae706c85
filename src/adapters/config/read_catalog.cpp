// [chip.X], [model.X], [class.X], [alias.X] and [price.X.Y].
#include <fmt/format.h>

#include <algorithm>

#include "adapters/config/draft.h"
#include "adapters/config/suggest.h"

namespace hanse::config {
namespace {

void read_models(Draft& draft, const Section& document) {
  catalog::Catalog& catalog = draft.configuration.catalog;
  document.for_each("model", [&](const std::string& name, const Section& section) {
    const ModelId model = catalog.models.add(
        {.name = name, .context_tokens = Tokens(section.number("context_tokens"))});
    bool any = false;
    section.for_each("variant", [&](const std::string& variant, const Section& variant_section) {
      any = true;
      const std::string precision = variant_section.text("precision");
      catalog.variants.add({.name = fmt::format("{}/{}", name, variant),
                            .model = model,
                            .precision = precision.empty() ? variant : precision,
                            .context_tokens = variant_section.has("context_tokens")
                                                  ? Tokens(variant_section.number("context_tokens"))
                                                  : Tokens(0)});
    });
    if (!any) {
      draft.report.error(
          section.place(),
          {section.path_of("variant"), fmt::format("model '{}' has no variant", name),
           fmt::format("write [{}]", join(section.path_of("variant"), "bf16"))});
    }
  });
}

std::int32_t hedge_budget_ppm(const Section& section) {
  if (!section.has_any("hedge_percent")) return 0;
  return static_cast<std::int32_t>(section.number("hedge_percent"));
}

void read_classes(Draft& draft, const Section& document) {
  document.for_each("class", [&](const std::string& name, const Section& section) {
    const Node* first_token = section.get("first_token");
    const Node* time_limit = section.get("time_limit");
    if (first_token != nullptr && time_limit != nullptr &&
        time_limit->number < first_token->number) {
      draft.report.error(time_limit->place,
                         {section.path_of("time_limit"),
                          fmt::format("no request can keep a limit of {} when its first token may "
                                      "take {}",
                                      time_limit->text, first_token->text),
                          "time_limit is for the whole request, all attempts"});
    }
    draft.configuration.catalog.classes.add({.name = name,
                                             .first_token = section.duration("first_token"),
                                             .per_token = section.duration("per_token"),
                                             .time_limit = section.duration("time_limit"),
                                             .hedge_budget_ppm = hedge_budget_ppm(section)});
  });
}

// The names of a model's variants, without the model's.
std::vector<std::string_view> variants_of(const catalog::Catalog& catalog, ModelId model) {
  std::vector<std::string_view> names;
  for (const catalog::Variant& variant : catalog.variants) {
    if (variant.model == model) {
      names.push_back(std::string_view(variant.name).substr(catalog.models[model].name.size() + 1));
    }
  }
  return names;
}

std::vector<VariantId> read_variants(Draft& draft, const Section& alias, ModelId model) {
  const catalog::Catalog& catalog = draft.configuration.catalog;
  const auto known = variants_of(catalog, model);
  std::vector<VariantId> variants;
  const auto add = [&](std::string_view name) {
    const auto variant =
        catalog.variants.find(fmt::format("{}/{}", catalog.models[model].name, name));
    if (variant) variants.push_back(*variant);
    return variant.has_value();
  };
  const Node* listed = alias.get("variants");
  if (listed == nullptr) {
    for (const std::string_view name : known) add(name);
    return variants;
  }
  for (const Node& item : listed->items) {
    if (add(item.text)) continue;
    draft.report.error(item.place, {alias.path_of("variants"),
                                    fmt::format("model '{}' has no variant '{}'",
                                                catalog.models[model].name, item.text),
                                    suggest(item.text, known)});
  }
  return variants;
}

void read_aliases(Draft& draft, const Section& document) {
  catalog::Catalog& catalog = draft.configuration.catalog;
  document.for_each("alias", [&](const std::string& name, const Section& section) {
    catalog::Alias alias{.name = name, .model = {}, .variants = {}, .latency_class = {}};
    alias.latency_class = catalog.classes.find(section.text("class")).value_or(ClassId());
    if (const auto model = catalog.models.find(section.text("model"))) {
      alias.model = *model;
      alias.variants = read_variants(draft, section, *model);
    }
    catalog.aliases.add(std::move(alias));
  });
}

// What a sold alias cannot be without.
bool has_prices(Draft& draft, const Section& section) {
  bool complete = true;
  for (const std::string_view key : {"prompt", "output"}) {
    if (section.has(key)) continue;
    complete = false;
    // One that is there and wrong has been reported.
    if (section.has_any(key)) continue;
    draft.report.error(
        section.place(),
        {section.path_of(key), fmt::format("'{}' is missing in {}", key, section.path()),
         fmt::format("write {} = \"0.120\", or sold = false", key)});
  }
  return complete;
}

}  // namespace

void read_catalog(Draft& draft) {
  const Section document = top(draft);
  document.for_each("chip", [&](const std::string& name, const Section& section) {
    draft.configuration.catalog.chips.add({.name = name, .title = section.text("name")});
  });
  read_models(draft, document);
  read_classes(draft, document);
  read_aliases(draft, document);
}

void read_price_books(Draft& draft) {
  catalog::Catalog& catalog = draft.configuration.catalog;
  top(draft).for_each("price", [&](const std::string& name, const Section& book) {
    catalog::PriceBook row{.name = name, .prices = {}};
    row.prices.resize(catalog.aliases.size());
    catalog.aliases.for_each([&](AliasId alias, const catalog::Alias& alias_row) {
      if (!book.has_any(alias_row.name)) {
        draft.report.error(
            book.place(),
            {book.path_of(alias_row.name),
             fmt::format("price book '{}' does not say what alias '{}' costs", name,
                         alias_row.name),
             fmt::format("write [{}], with sold = false if it is not for these tenants",
                         book.path_of(alias_row.name))});
        return;
      }
      const Section prices = book.section(alias_row.name);
      const bool sold = !prices.has("sold") || prices.flag("sold");
      if (sold && has_prices(draft, prices)) row.prices[alias.value()] = read_prices(draft, prices);
    });
    catalog.price_books.add(std::move(row));
  });
}

void check_catalog(Draft& draft) {
  // What is wrong with a site or a model would make aliases look unserved.
  if (!draft.report.sound({"site", "model", "alias"})) return;
  const catalog::Catalog& catalog = draft.configuration.catalog;
  const fleet::Fleet& fleet = draft.configuration.fleet;
  top(draft).for_each("alias", [&](const std::string& name, const Section& section) {
    const catalog::Alias& alias = catalog.aliases[*catalog.aliases.find(name)];
    bool offered = false;
    bool in_service = false;
    for (const fleet::Offer& offer : fleet.offers) {
      if (std::ranges::find(alias.variants, offer.variant) == alias.variants.end()) continue;
      offered = true;
      in_service = in_service || !fleet.sites[offer.site].retired;
    }
    if (!offered) {
      draft.report.error(
          section.place(),
          {section.path(), fmt::format("no site offers alias '{}'", name),
           fmt::format("give a site an offer of a variant of model '{}'", section.text("model"))});
    } else if (!in_service) {
      draft.report.warning(
          section.place(),
          {section.path(), fmt::format("every site that offers alias '{}' is retired", name), ""});
    }
  });
}

}  // namespace hanse::config
