#include "adapters/config/draft.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapters/config/conform.h"
#include "adapters/config/suggest.h"

namespace hanse::config {

const Node* Section::get(std::string_view key) const {
  const Node* node = node_->find(key);
  return node == nullptr || node->kind == Node::Kind::invalid ? nullptr : node;
}

bool Section::has_invalid() const {
  return std::ranges::any_of(node_->members, [](const Member& member) {
    return member.value.kind == Node::Kind::invalid;
  });
}

std::string Section::text(std::string_view key) const {
  const Node* node = get(key);
  return node == nullptr ? std::string() : node->text;
}

std::int64_t Section::number(std::string_view key) const {
  const Node* node = get(key);
  return node == nullptr ? 0 : node->number;
}

std::vector<std::string> Section::texts(std::string_view key) const {
  std::vector<std::string> list;
  if (const Node* node = get(key)) {
    for (const Node& item : node->items) list.push_back(item.text);
  }
  return list;
}

std::optional<Money> Section::money(std::string_view key) const {
  const Node* node = get(key);
  if (node == nullptr) return std::nullopt;
  return Money(node->number);
}

Section Section::section(std::string_view key) const {
  static const Node kNothing;
  const Member* member = node_->find_member(key);
  if (member == nullptr || member->value.kind != Node::Kind::table) {
    return {kNothing, path_of(key), place_};
  }
  return {member->value, path_of(key), member->place};
}

void check_word(Draft& draft, const Section& section, std::string_view key, std::string_view noun,
                const std::vector<std::string>& words) {
  const Node* node = section.get(key);
  if (node == nullptr || std::ranges::find(words, node->text) != words.end()) return;
  const std::vector<std::string_view> views(words.begin(), words.end());
  draft.report.error(node->place,
                     {section.path_of(key), fmt::format("there is no {} '{}'", noun, node->text),
                      suggest(node->text, views)});
}

WallTime end_of(const Node& date) {
  constexpr Duration kDay = seconds(86'400);
  const WallTime start(date.number);
  return date.kind == Node::Kind::date ? start + kDay : start;
}

std::filesystem::path resolve(const Draft& draft, const Node* path) {
  if (path == nullptr) return {};
  return (folder_of(draft.report.sources(), 0) / path->text).lexically_normal();
}

}  // namespace hanse::config
