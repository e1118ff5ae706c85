// [owner.X], [supplier.X], [site.X] with its offers, and [link.X].
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "adapters/config/draft.h"
#include "adapters/config/suggest.h"
#include "adapters/config/values.h"

namespace hanse::config {
namespace {

constexpr std::string_view kUnknown = "unknown";

std::optional<fleet::Code> country(const Section& section, std::string_view key) {
  const Node* node = section.get(key);
  return node == nullptr ? std::nullopt : fleet::parse_country(node->text);
}

struct Entity {
  Section section;
  bool offers_compute;
};

// Suppliers and owners together, by id.
std::map<std::string, Entity> collect_entities(Draft& draft) {
  std::map<std::string, Entity> entities;
  const Section document = top(draft);
  document.for_each("supplier", [&](const std::string& name, const Section& section) {
    entities.emplace(name, Entity{section, true});
  });
  document.for_each("owner", [&](const std::string& name, const Section& section) {
    const auto [it, fresh] = entities.emplace(name, Entity{section, false});
    if (fresh) return;
    draft.report.error(section.place(),
                       {section.path(), fmt::format("'{}' is a supplier, too", name),
                        "suppliers and owners share one space of ids; a supplier can hold others"});
    draft.report.relate(it->second.section.place(), "the supplier is here");
  });
  return entities;
}

// One item of `parents`; nothing when its holder is nobody.
std::optional<fleet::Parent> read_parent(Draft& draft, const Section& item) {
  const auto& suppliers = draft.configuration.fleet.suppliers;
  fleet::Parent parent{.holder = {},
                       .share_ppm = static_cast<std::int32_t>(item.number("share_percent")),
                       .basis = item.text("basis")};
  if ((parent.basis == "shares" || parent.basis == "votes") && !item.has_any("share_percent")) {
    draft.report.error(item.place(),
                       {item.path_of("share_percent"),
                        fmt::format("control by {} needs 'share_percent'", parent.basis),
                        "or say what else it rests on: basis = \"contract\""});
  }
  const Node* holder = item.get("holder");
  if (holder == nullptr) return std::nullopt;
  const auto found = suppliers.find(holder->text);
  if (!found) {
    std::vector<std::string_view> names;
    for (const fleet::Supplier& supplier : suppliers) names.push_back(supplier.name);
    draft.report.error(
        holder->place,
        {item.path_of("holder"), fmt::format("there is no supplier or owner '{}'", holder->text),
         suggest(holder->text, names)});
    return std::nullopt;
  }
  parent.holder = *found;
  return parent;
}

void check_shares(Draft& draft, const Section& section, const std::vector<fleet::Parent>& parents) {
  constexpr std::int64_t kAllPpm = 1'000'000;
  for (const std::string_view basis : {"shares", "votes"}) {
    std::int64_t total = 0;
    for (const fleet::Parent& parent : parents)
      total += parent.basis == basis ? parent.share_ppm : 0;
    if (total <= kAllPpm) continue;
    const Node* list = section.get("parents");
    draft.report.error(
        list != nullptr ? list->place : section.place(),
        {section.path_of("parents"),
         fmt::format("its parents hold {} percent of the {} together", print_percent(total), basis),
         ""});
  }
}

void read_parents(Draft& draft, fleet::Supplier& supplier, const Section& section) {
  const Node* parents = section.get("parents");
  supplier.parents_known = parents != nullptr && parents->text != kUnknown;
  std::set<SupplierId> holders;
  section.for_each_item("parents", [&](const Section& item) {
    const auto parent = read_parent(draft, item);
    if (!parent) return;
    if (!holders.insert(parent->holder).second) {
      draft.report.error(item.place(), {item.path_of("holder"),
                                        fmt::format("'{}' is a parent twice", item.text("holder")),
                                        "give one entry with the stronger basis"});
      return;
    }
    supplier.parents.push_back(*parent);
  });
  check_shares(draft, section, supplier.parents);
}

void read_suppliers(Draft& draft) {
  auto& suppliers = draft.configuration.fleet.suppliers;
  const auto entities = collect_entities(draft);
  for (const auto& [name, entity] : entities) {
    suppliers.add({.name = name,
                   .title = entity.section.text("name"),
                   .home = country(entity.section, "home"),
                   .parents = {},
                   .parents_known = true,
                   .offers_compute = entity.offers_compute});
  }
  for (const auto& [name, entity] : entities) {
    read_parents(draft, suppliers[*suppliers.find(name)], entity.section);
  }
}

std::vector<fleet::Certificate> read_certificates(Draft& draft, const std::string& name,
                                                  const Section& site) {
  std::vector<fleet::Certificate> certificates;
  site.for_each_item("certificates", [&](const Section& item) {
    fleet::Certificate certificate{.name = item.text("name"), .valid_from = {}, .valid_to = {}};
    if (item.has("valid_from")) certificate.valid_from = WallTime(item.number("valid_from"));
    const Node* valid_to = item.get("valid_to");
    if (valid_to != nullptr && valid_to->text != kUnknown) {
      certificate.valid_to = end_of(*valid_to);
      if (certificate.valid_from && *certificate.valid_to <= *certificate.valid_from) {
        draft.report.error(valid_to->place, {item.path_of("valid_to"),
                                             "this certificate ends before it begins", ""});
      } else if (*certificate.valid_to <= draft.surroundings.now) {
        draft.report.warning(
            valid_to->place,
            {item.path_of("valid_to"),
             fmt::format("the certificate {} of site '{}' has expired", certificate.name, name),
             "renew it or take it away: rules that require it refuse this site"});
      }
    }
    certificates.push_back(std::move(certificate));
  });
  return certificates;
}

void check_engine(Draft& draft, const Section& engine) {
  check_word(draft, engine, "kind", "engine kind", draft.surroundings.engine_kinds);
  if (engine.has("credential_file") && engine.has("credential_env")) {
    draft.report.error(engine.get("credential_env")->place,
                       {engine.path_of("credential_env"),
                        "a credential comes from a file or from the environment, not from both",
                        "take one of the two away"});
  }
  const Node* certificate = engine.get("client_certificate_file");
  const Node* key = engine.get("client_key_file");
  if ((certificate == nullptr) != (key == nullptr)) {
    const std::string_view missing =
        certificate != nullptr ? "client_key_file" : "client_certificate_file";
    draft.report.error((certificate != nullptr ? certificate : key)->place,
                       {engine.path_of(missing),
                        fmt::format("a client certificate needs '{}', too", missing), ""});
  }
  const Node* url = engine.get("url");
  const auto parsed = url == nullptr ? Parsed<Url>() : parse_url(url->text);
  if (url == nullptr || !parsed || parsed->tls) return;
  for (const std::string_view tls_only : {"ca_file", "client_certificate_file"}) {
    if (const Node* given = engine.get(tls_only)) {
      draft.report.error(given->place, {engine.path_of(tls_only),
                                        fmt::format("'{}' has no use without TLS", tls_only),
                                        "write https:// in url"});
    }
  }
  const bool credential = engine.has("credential_file") || engine.has("credential_env");
  if (credential && !is_loopback(parsed->host)) {
    draft.report.warning(
        url->place, {engine.path_of("url"), "the credential travels in clear to another machine",
                     "write https:// in url"});
  }
}

fleet::Engine read_engine(Draft& draft, const Section& engine) {
  check_engine(draft, engine);
  const auto path = [&](std::string_view key) { return resolve(draft, engine.get(key)).string(); };
  const std::string kind = engine.text("kind");
  const auto& continuing = draft.surroundings.continuing_kinds;
  const auto& streaming = draft.surroundings.streaming_kinds;
  return {.kind = kind,
          .continues_chat = std::ranges::find(continuing, kind) != continuing.end(),
          .streams_always = std::ranges::find(streaming, kind) != streaming.end(),
          .url = engine.text("url"),
          .credential_file = path("credential_file"),
          .credential_env = engine.text("credential_env"),
          .ca_file = path("ca_file"),
          .client_certificate_file = path("client_certificate_file"),
          .client_key_file = path("client_key_file")};
}

// Reports a variant that its model does not have.
std::optional<VariantId> find_variant(Draft& draft, const std::string& model,
                                      const std::string& variant, const Section& offer) {
  const catalog::Catalog& catalog = draft.configuration.catalog;
  if (!catalog.models.find(model)) return std::nullopt;
  const auto found = catalog.variants.find(fmt::format("{}/{}", model, variant));
  if (found) return found;
  std::vector<std::string_view> names;
  top(draft).section("model").section(model).for_each(
      "variant", [&](const std::string& name, const Section&) { names.push_back(name); });
  draft.report.error(offer.place(),
                     {offer.path(), fmt::format("model '{}' has no variant '{}'", model, variant),
                      suggest(variant, names)});
  return std::nullopt;
}

void read_offers(Draft& draft, const Section& site, const std::string& site_name, SiteId site_id) {
  site.for_each("offer", [&](const std::string& model, const Section& variants) {
    variants.for_each([&](const std::string& variant, const Section& offer) {
      const auto variant_id = find_variant(draft, model, variant, offer);
      if (!variant_id) return;
      const Section profile = offer.section("profile");
      const std::string upstream = offer.text("upstream_model");
      draft.configuration.fleet.offers.add(
          {.name = fmt::format("{}/{}/{}", site_name, model, variant),
           .site = site_id,
           .variant = *variant_id,
           .upstream_model = upstream.empty() ? model : upstream,
           .reply_model = offer.text("reply_model"),
           .prices = read_prices(draft, offer.section("price")),
           .profile = {
               .first_token = profile.duration("first_token"),
               .prefill_tokens_per_second = profile.number("prefill_tokens_per_second"),
               .decode_tokens_per_second = profile.number("decode_tokens_per_second"),
               .decode_tokens_per_second_full = profile.number("decode_tokens_per_second_full")}});
    });
  });
}

void read_site(Draft& draft, const std::string& name, const Section& section) {
  Configuration& configuration = draft.configuration;
  fleet::Site site{
      .name = name,
      .supplier =
          configuration.fleet.suppliers.find(section.text("supplier")).value_or(SupplierId()),
      .place = country(section, "place"),
      .chip = configuration.catalog.chips.find(section.text("chip")).value_or(ChipId()),
      .slots = static_cast<std::int32_t>(section.number("slots")),
      .certificates = read_certificates(draft, name, section),
      .engine = read_engine(draft, section.section("engine")),
      .retired = section.flag("retired")};
  const bool retired = site.retired;
  const SiteId id = configuration.fleet.sites.add(std::move(site));
  read_offers(draft, section, name, id);
  if (!retired && !section.has_any("offer")) {
    draft.report.warning(section.place(),
                         {section.path_of("offer"), fmt::format("site '{}' offers nothing", name),
                          fmt::format("write [{}.MODEL.VARIANT]", section.path_of("offer"))});
  }
}

void read_links(Draft& draft) {
  const Section document = top(draft);
  fleet::Fleet& fleet = draft.configuration.fleet;
  fleet.links.resize(fleet.sites.size());
  const bool any = document.has_any("link");
  fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    const Section link = document.section("link").section(site.name);
    if (link.has("bandwidth_mbit_per_second")) {
      constexpr std::int64_t kMega = 1'000'000;
      fleet.links[id.value()] = {
          .round_trip = link.duration("round_trip"),
          .bits_per_second = link.number("bandwidth_mbit_per_second") * kMega};
    } else if (any && !site.retired && !document.section("link").has_any(site.name)) {
      const Section section = document.section("site").section(site.name);
      draft.report.warning(section.place(),
                           {join("link", site.name),
                            fmt::format("site '{}' has no link, unlike others: it counts as being "
                                        "next door",
                                        site.name),
                            fmt::format("write [{}]", join("link", site.name))});
    }
  });
}

}  // namespace

void read_fleet(Draft& draft) {
  read_suppliers(draft);
  top(draft).for_each("site", [&](const std::string& name, const Section& section) {
    read_site(draft, name, section);
  });
  read_links(draft);
}

}  // namespace hanse::config
