// [tenant.X] with its projects and keys.
#include <fmt/format.h>

#include <map>

#include "adapters/config/draft.h"

namespace hanse::config {
namespace {

limits::RateLimits read_limits(const Section& section) {
  limits::RateLimits rates;
  const Section given = section.section("limits");
  if (given.has("requests_per_minute")) {
    rates.requests_per_minute = given.number("requests_per_minute");
  }
  if (given.has("tokens_per_minute")) {
    rates.tokens_per_minute = Tokens(given.number("tokens_per_minute"));
  }
  if (given.has("requests_at_once")) rates.requests_at_once = given.number("requests_at_once");
  return rates;
}

limits::Rescue read_rescue(const Section& section) {
  for (const auto rescue : {limits::Rescue::never, limits::Rescue::same_variant}) {
    if (section.text("rescue") == to_string(rescue)) return rescue;
  }
  return limits::Rescue::any_variant;
}

// The tenant's default labels; brings their text into canonical form.
std::uint64_t read_labels(Draft& draft, const std::string& name, const Section& section) {
  const Node* data = section.get("data");
  if (data == nullptr) return 0;
  const gate::LabelVocabulary& vocabulary = draft.configuration.labels;
  const auto labels = vocabulary.parse(data->text);
  if (!labels) {
    draft.report.error(data->place, {section.path_of("data"), labels.error().message, ""});
    return 0;
  }
  draft.root.find("tenant")->find(name)->find("data")->text = vocabulary.print(*labels);
  return labels->bits();
}

class TenantReader {
 public:
  explicit TenantReader(Draft& draft) : draft_(draft) {}

  void read(const std::string& name, const Section& section) {
    const Configuration& configuration = draft_.configuration;
    limits::Tenant tenant{
        .name = name,
        .title = section.text("name"),
        .home = {},
        .policy = configuration.policies.find(section.text("policy")).value_or(PolicyId()),
        .default_labels = read_labels(draft_, name, section),
        .price_book =
            configuration.catalog.price_books.find(section.text("price")).value_or(PriceBookId()),
        .budget = section.money("budget"),
        .rates = read_limits(section),
        .output_tokens_default = Tokens(section.number("output_tokens_default")),
        .rescue = read_rescue(section),
        .weight = section.number("weight"),
        .idempotency_keys = section.flag("idempotency_keys")};
    if (section.has("home")) tenant.home = fleet::parse_country(section.text("home"));
    const TenantId id = draft_.configuration.tenants.tenants.add(std::move(tenant));
    keys_ = 0;
    section.for_each("project", [&](const std::string& project, const Section& project_section) {
      read_project(id, fmt::format("{}/{}", name, project), project_section);
    });
    if (keys_ != 0) return;
    draft_.report.warning(section.place(),
                          {section.path_of("project"),
                           fmt::format("tenant '{}' has no key, so that it cannot ask", name),
                           fmt::format("write [{}.PROJECT.key.KEY]", section.path_of("project"))});
  }

 private:
  void read_project(TenantId tenant, const std::string& name, const Section& section) {
    const ProjectId id =
        draft_.configuration.tenants.projects.add({.name = name,
                                                   .tenant = tenant,
                                                   .budget = section.money("budget"),
                                                   .rates = read_limits(section)});
    section.for_each("key", [&](const std::string& key, const Section& key_section) {
      ++keys_;
      read_key(tenant, id, fmt::format("{}/{}", name, key), key_section);
    });
  }

  void read_key(TenantId tenant, ProjectId project, const std::string& name,
                const Section& section) {
    limits::Key key{
        .name = name,
        .project = project,
        .tenant = tenant,
        .digest = sha256_from_hex(section.text("sha256")).value_or(Sha256()),
        .budget = section.money("budget"),
        .rates = read_limits(section),
        .latency_class = draft_.configuration.catalog.classes.find(section.text("class")),
        .valid_to = {},
        .may_relax = section.flag("may_relax"),
        .disabled = section.flag("disabled")};
    if (const Node* valid_to = section.get("valid_to")) {
      key.valid_to = end_of(*valid_to);
      if (*key.valid_to <= draft_.surroundings.now && !key.disabled) {
        draft_.report.warning(valid_to->place, {section.path_of("valid_to"),
                                                fmt::format("the key '{}' has expired", name),
                                                "renew it, or write disabled = true"});
      }
    }
    check_unique(section);
    draft_.configuration.tenants.keys.add(std::move(key));
  }

  // A key must tell who asks.
  void check_unique(const Section& section) {
    const Node* digest = section.get("sha256");
    if (digest == nullptr) return;
    const auto [it, fresh] = digests_.emplace(digest->text, section);
    if (fresh) return;
    draft_.report.error(
        digest->place,
        {section.path_of("sha256"), fmt::format("this is the key of {}, too", it->second.path()),
         "`hanse keys new` prints a new one"});
    draft_.report.relate(it->second.get("sha256")->place, "the other is here");
  }

  Draft& draft_;
  std::map<std::string, Section> digests_;
  std::size_t keys_ = 0;  // of the tenant being read
};

}  // namespace

void read_tenants(Draft& draft) {
  TenantReader reader(draft);
  top(draft).for_each("tenant", [&](const std::string& name, const Section& section) {
    reader.read(name, section);
  });
}

}  // namespace hanse::config
