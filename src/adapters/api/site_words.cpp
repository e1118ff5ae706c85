#include "adapters/api/site_words.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace hanse::api {
namespace {

constexpr std::size_t kWordMax = 64;  // of a code, and of a field's name

bool is_word_letter(char c) {
  return is_letter(c) || is_digit(c) || (static_cast<unsigned char>(c) & 0x80U) != 0;
}

bool starts_with(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && equal_but_for_case(text.substr(0, word.size()), word);
}

// Bytes of the character that `text` begins with, all of them there.
std::size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t bytes = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return std::min(bytes, text.size());
}

// C0 and C1, the ends of lines and paragraphs, and what turns the direction in
// which text is read.
bool is_control(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
  if (character.size() == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
  if (character.size() != 3 || byte(0) != 0xE2) return false;
  if (byte(1) == 0x80) return byte(2) >= 0xA8 && byte(2) <= 0xAE;
  return byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
}

std::string without_controls(std::string_view words) {
  std::string out;
  out.reserve(words.size());
  while (!words.empty()) {
    const std::string_view character = words.substr(0, character_bytes(words));
    is_control(character) ? void(out += ' ') : void(out.append(character));
    words.remove_prefix(character.size());
  }
  return out;
}

// Bytes of the link that `text` begins with; 0 when it begins with none.
std::size_t link_bytes(std::string_view text) {
  constexpr std::array<std::string_view, 7> kSchemes = {"http://", "https://", "ws://", "wss://",
                                                        "unix:/",  "grpc://",  "tcp://"};
  if (std::ranges::none_of(kSchemes, [&](std::string_view s) { return starts_with(text, s); })) {
    return 0;
  }
  return std::min(text.find_first_of(" \"'<>`"), text.size());
}

// Whether `text` holds `word` at `at`, and not as a piece of a longer one.
bool has_word_at(std::string_view text, std::size_t at, std::string_view word) {
  if (word.empty() || !starts_with(text.substr(at), word)) return false;
  const std::size_t end = at + word.size();
  return (at == 0 || !is_word_letter(text[at - 1])) &&
         (end == text.size() || !is_word_letter(text[end]));
}

std::string_view last_part(std::string_view model) {
  const std::size_t slash = model.find_last_of('/');
  return slash == std::string_view::npos ? std::string_view() : model.substr(slash + 1);
}

struct Found {
  std::size_t bytes = 0;  // 0: nothing
  std::string_view instead;
};

// Longer ones first, for one may begin with another.
Found secret_at(std::string_view text, std::size_t at, const SiteSecrets& secrets) {
  const std::string_view rest = text.substr(at);
  if (!secrets.credential.empty() && rest.starts_with(secrets.credential)) {
    return {secrets.credential.size(), "[hidden]"};
  }
  if (const std::size_t bytes = link_bytes(rest)) return {bytes, "[link]"};
  for (const std::string_view model : {secrets.upstream_model, last_part(secrets.upstream_model)}) {
    if (has_word_at(text, at, model)) return {model.size(), secrets.alias};
  }
  if (!has_word_at(text, at, secrets.host)) return {};
  std::size_t bytes = secrets.host.size();
  if (rest.size() > bytes + 1 && rest[bytes] == ':' && is_digit(rest[bytes + 1])) {
    ++bytes;
    while (bytes < rest.size() && is_digit(rest[bytes])) ++bytes;
  }
  return {bytes, "[site]"};
}

std::string without_secrets(std::string_view text, const SiteSecrets& secrets) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Found found = secret_at(text, at, secrets);
    if (found.bytes == 0) {
      out += text[at++];
    } else {
      out.append(found.instead);
      at += found.bytes;
    }
  }
  return out;
}

void bound(std::string& text) {
  constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
  std::size_t characters = 0;
  std::size_t last = 0;  // where the last character that has room begins
  for (std::size_t at = 0; at < text.size(); ++characters) {
    if (characters == kSiteWordsMax) {
      text.resize(last);
      text.append(kEllipsis);
      return;
    }
    last = at;
    at += character_bytes(std::string_view(text).substr(at));
  }
}

void keep_plain_word(std::string& word, const SiteSecrets& secrets) {
  const bool is_plain = word.size() <= kWordMax && std::ranges::all_of(word, [](char c) {
                          return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.' ||
                                 c == '[' || c == ']';
                        });
  if (!is_plain || without_secrets(word, secrets) != word) word.clear();
}

}  // namespace

std::string fit_for_client(std::string_view words, const SiteSecrets& secrets) {
  std::string out = without_secrets(without_controls(words), secrets);
  bound(out);
  return out;
}

void make_fit_for_client(answer::FailureReport& report, const SiteSecrets& secrets) {
  report.client_message = fit_for_client(report.client_message, secrets);
  keep_plain_word(report.client_code, secrets);
  keep_plain_word(report.client_param, secrets);
}

}  // namespace hanse::api
