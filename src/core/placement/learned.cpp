#include "core/placement/learned.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::placement {
namespace {

constexpr std::uint64_t kOneShare = 65'536;
constexpr std::uint64_t kBytesGuessed = 1'024;
constexpr std::uint64_t kBytesPerTokenGuessed = 4;
constexpr std::uint64_t kOutputGuessed = 256;
constexpr std::uint32_t kAnswersWindow = 16;
// Below this a share is as good as none and its entry is given back.
constexpr std::uint32_t kShareLeast = kOneShare / 64;
// No sum of products of two such numbers leaves 64 bits.
constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 28U;
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 32U;

std::uint64_t bounded(std::int64_t value, std::uint64_t max) {
  return value < 0 ? 0 : std::min(static_cast<std::uint64_t>(value), max);
}

std::uint64_t count(const Usage& usage, TokenKind kind) {
  return bounded(usage.tokens[kind].count(), kTokensMax);
}

}  // namespace

const Learned::Row* Learned::find(TenantId tenant, AliasId alias) const {
  if (!tenant.valid() || tenant.value() >= tenants_.size()) return nullptr;
  const auto& rows = tenants_[tenant.value()];
  const auto it = std::ranges::lower_bound(rows, alias, {}, &Row::alias);
  return it != rows.end() && it->alias == alias ? &*it : nullptr;
}

Learned::Row* Learned::find_or_add(TenantId tenant, AliasId alias) {
  HANSE_CHECK(tenant.valid() && alias.valid());
  if (tenant.value() >= tenants_.size()) tenants_.resize(tenant.value() + 1);
  auto& rows = tenants_[tenant.value()];
  const auto it = std::ranges::lower_bound(rows, alias, {}, &Row::alias);
  if (it != rows.end() && it->alias == alias) return &*it;
  if (rows_ == kRowsMax) return nullptr;
  ++rows_;
  Row row;
  row.alias = alias;
  row.bytes = kBytesGuessed;
  row.prompt_tokens = kBytesGuessed / kBytesPerTokenGuessed * kOneShare;
  row.tokens_per_byte = kOneShare / kBytesPerTokenGuessed;
  row.output = kOutputGuessed * kOneShare;
  row.answers = 1;
  return &*rows.insert(it, std::move(row));
}

void Learned::observe(const Demand& demand, SiteId site, const Usage& usage) {
  if (usage.estimated || usage.contradicted) return;
  Row* row = find_or_add(demand.tenant, demand.alias);
  if (row == nullptr) return;

  const std::uint64_t cached = count(usage, TokenKind::cached_read);
  const std::uint64_t prompt =
      count(usage, TokenKind::prompt) + cached + count(usage, TokenKind::cache_write);
  const std::uint64_t bytes = bounded(demand.prompt_bytes, kBytesMax);
  if (prompt > 0 && bytes > 0) {
    row->bytes = row->bytes - row->bytes / 16 + bytes;
    row->prompt_tokens = row->prompt_tokens - row->prompt_tokens / 16 + prompt * kOneShare;
    row->tokens_per_byte = row->prompt_tokens / row->bytes;
    observe_cached(*row, site, cached, prompt);
  }

  const std::uint64_t written =
      count(usage, TokenKind::output) + count(usage, TokenKind::reasoning);
  const auto choices = static_cast<std::uint64_t>(std::max(demand.choices, 1));
  row->answers = std::min(row->answers + 1, kAnswersWindow);
  row->output =
      row->output - row->output / row->answers + written * kOneShare / (choices * row->answers);
}

void Learned::observe_cached(Row& row, SiteId site, std::uint64_t cached, std::uint64_t prompt) {
  const auto seen = static_cast<std::uint32_t>(cached * kOneShare / prompt);
  const auto it = std::ranges::lower_bound(row.cached, site, {}, &CachedShare::site);
  if (it == row.cached.end() || it->site != site) {
    if (seen / 4 < kShareLeast || shares_ == kSharesMax) return;
    ++shares_;
    row.cached.insert(it, {site, seen / 4});
    return;
  }
  it->share = it->share - it->share / 4 + seen / 4;
  if (it->share < kShareLeast) {
    row.cached.erase(it);
    --shares_;
  }
}

Tokens Learned::prompt_tokens(const Demand& demand) const {
  const Row* row = find(demand.tenant, demand.alias);
  const std::uint64_t ratio =
      row != nullptr ? row->tokens_per_byte : kOneShare / kBytesPerTokenGuessed;
  const std::uint64_t bytes = bounded(demand.prompt_bytes, kBytesMax);
  const auto tokens = static_cast<std::uint64_t>(
      (static_cast<unsigned __int128>(bytes) * ratio + kOneShare - 1) / kOneShare);
  return Tokens(static_cast<std::int64_t>(std::min(tokens, kTokensMax)));
}

Tokens Learned::output_tokens(const Demand& demand) const {
  const Row* row = find(demand.tenant, demand.alias);
  const std::uint64_t mean =
      row != nullptr ? (row->output + kOneShare / 2) / kOneShare : kOutputGuessed;
  const std::uint64_t limit = bounded(demand.output_limit.count(), kTokensMax);
  return Tokens(static_cast<std::int64_t>(std::min(mean, limit)));
}

Tokens Learned::cached_tokens(const Demand& demand, SiteId site, Tokens prompt) const {
  const auto shares = cached_shares(demand);
  const auto it = std::ranges::lower_bound(shares, site, {}, &CachedShare::site);
  if (it == shares.end() || it->site != site) return Tokens(0);
  return Tokens(static_cast<std::int64_t>(cached_tokens(*it, bounded(prompt.count(), kTokensMax))));
}

std::span<const Learned::CachedShare> Learned::cached_shares(const Demand& demand) const {
  const Row* row = find(demand.tenant, demand.alias);
  if (row == nullptr) return {};
  return row->cached;
}

void Learned::adopt(const Learned& known, std::span<const TenantId> tenants,
                    std::span<const AliasId> aliases, std::span<const SiteId> sites) {
  for (std::size_t t = 0; t < known.tenants_.size() && t < tenants.size(); ++t) {
    if (!tenants[t].valid()) continue;
    for (const Row& old : known.tenants_[t]) {
      if (old.alias.value() >= aliases.size() || !aliases[old.alias.value()].valid()) continue;
      Row* row = find_or_add(tenants[t], aliases[old.alias.value()]);
      if (row == nullptr) return;
      const AliasId alias = row->alias;
      shares_ -= row->cached.size();
      *row = old;
      row->alias = alias;
      row->cached.clear();
      for (const CachedShare share : old.cached) {
        if (share.site.value() >= sites.size() || !sites[share.site.value()].valid()) continue;
        row->cached.push_back({sites[share.site.value()], share.share});
      }
      std::ranges::sort(row->cached, {}, &CachedShare::site);
      shares_ += row->cached.size();
    }
  }
}

}  // namespace hanse::placement
