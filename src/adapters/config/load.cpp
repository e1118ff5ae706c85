#include "adapters/config/load.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "adapters/config/canonical.h"
#include "adapters/config/conform.h"
#include "adapters/config/draft.h"

namespace hanse::config {
namespace {

// A grid of ten thousand offers takes a few megabytes.
constexpr std::uintmax_t kFileBytesMax = 64 * 1024 * 1024;

std::string too_large() {
  return fmt::format("it is larger than {} bytes, the most that one may have", kFileBytesMax);
}

// Says why it is no file to read; nothing when it is. A pipe or a device may
// never end, and a reload reads a second time.
std::string unfit(const std::filesystem::path& path) {
  using Kind = std::filesystem::file_type;
  std::error_code trouble;
  const std::filesystem::file_status status = std::filesystem::status(path, trouble);
  switch (status.type()) {
    case Kind::regular: break;
    case Kind::directory: return "it is a folder";
    case Kind::fifo: return "it is a pipe, not a file that can be read again";
    case Kind::character:
    case Kind::block: return "it is a device, not a file that can be read again";
    case Kind::socket: return "it is a socket, not a file that can be read again";
    default: return trouble ? trouble.message() : "it is no file";
  }
  const std::uintmax_t bytes = std::filesystem::file_size(path, trouble);
  if (trouble) return trouble.message();
  return bytes > kFileBytesMax ? too_large() : std::string();
}

// Says why the file cannot be read; nothing when `text` holds it.
std::string read_file(const std::filesystem::path& path, std::string& text) {
  if (std::string why = unfit(path); !why.empty()) return why;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::strerror(errno);
  while (file && text.size() <= kFileBytesMax) {
    char block[65'536];
    file.read(block, sizeof block);
    text.append(block, static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) return std::strerror(errno);
  if (text.size() > kFileBytesMax) return too_large();
  return {};
}

// The configuration cannot run without one of each.
void check_presence(Draft& draft) {
  struct Need {
    std::string_view table;
    std::string_view why;
  };
  static constexpr Need kNeeds[] = {
      {"site", "there is no site, so that nothing can be served"},
      {"alias", "there is no alias, so that clients have nothing to ask for"},
      {"tenant", "there is no tenant, so that nobody can ask"},
  };
  for (const Need& need : kNeeds) {
    if (draft.root.find(need.table) != nullptr) continue;
    draft.report.error(draft.root.place, {std::string(need.table), std::string(need.why),
                                          fmt::format("write [{}.ID]", need.table)});
  }
}

// Everything behind the document.
void interpret(Draft& draft, bool all_files) {
  if (all_files) check_presence(draft);
  read_gateway(draft);
  read_catalog(draft);
  read_fleet(draft);
  read_price_books(draft);
  read_policies(draft);
  read_tenants(draft);
  check_gateway(draft);
  check_catalog(draft);
  check_fleet(draft);
  // Rules are judged against the whole fleet, which must be without holes.
  if (draft.report.errors() == 0) check_rules(draft);
}

// Requires: `unreadable` has, per text, why it could not be read, or nothing.
Loaded load_sources(std::span<const SourceText> texts, std::span<const std::string> unreadable,
                    const Surroundings& surroundings) {
  const Sources sources(texts);
  Report report(sources);
  Node root;
  if (texts.empty()) report.error({}, {"", "no configuration file is given", ""});
  for (std::uint32_t file = 0; file < sources.size(); ++file) {
    if (file < unreadable.size() && !unreadable[file].empty()) {
      report.error({.file = file}, {"", "cannot read this file: " + unreadable[file], ""});
    } else {
      merge(root, parse_document(report, file), "", report);
    }
  }
  // What is missing may stand in a file that could not be read or parsed; a
  // key given twice hides nothing.
  const bool all_files = report.sound({});
  Conformer(root, report, all_files ? Conformer::Files::all : Conformer::Files::some).run();

  auto configuration = std::make_shared<Configuration>();
  Draft draft{root, report, surroundings, *configuration};
  interpret(draft, all_files);

  Loaded loaded;
  loaded.diagnostics = report.finish();
  if (report.errors() == 0) {
    loaded.canonical = canonical_text(root);
    configuration->digest = sha256(loaded.canonical);
    loaded.configuration = std::move(configuration);
  }
  return loaded;
}

}  // namespace

Loaded load_texts(std::span<const SourceText> texts, const Surroundings& surroundings) {
  return load_sources(texts, {}, surroundings);
}

Loaded load_text(std::string_view name, std::string_view text, const Surroundings& surroundings) {
  const SourceText source{std::string(name), std::string(text)};
  return load_texts(std::span(&source, 1), surroundings);
}

Loaded load(std::span<const std::filesystem::path> files, const Surroundings& surroundings) {
  std::vector<SourceText> texts;
  std::vector<std::string> unreadable;
  for (const std::filesystem::path& path : files) {
    SourceText& source = texts.emplace_back(SourceText{path.string(), ""});
    unreadable.push_back(read_file(path, source.text));
  }
  return load_sources(texts, unreadable, surroundings);
}

}  // namespace hanse::config
