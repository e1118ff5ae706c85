#include "drivers/serve/secret.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace hanse::serve {
namespace {

constexpr std::size_t kSecretBytesMax = 16'384;
constexpr std::string_view kBlanks = " \t\r\n";

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

}  // namespace

Result<std::string> header_secret(std::string_view text, std::string_view what) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return invalid_input(fmt::format("{} is empty", what));
  const std::string_view secret = text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
  // Nothing of it is repeated.
  if (std::ranges::any_of(secret, is_control)) {
    return invalid_input(
        fmt::format("{} holds a line end or another character that may not stand in a header: it "
                    "must be one line",
                    what));
  }
  return std::string(secret);
}

Result<std::string> read_secret(const std::filesystem::path& file, std::string_view what) {
  const std::string name = fmt::format("the {} {}", what, file.string());
  std::ifstream in(file, std::ios::binary);
  std::string text(kSecretBytesMax + 1, '\0');
  if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A folder opens and cannot be read.
  if (in.bad() || !(in || in.eof())) return invalid_input(name + " cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kSecretBytesMax) return invalid_input(name + " is too long");
  return header_secret(text, name);
}

Result<std::string> read_admin_token(const std::filesystem::path& file) {
  if (file.empty()) return std::string();
  auto token = read_secret(file, "admin token file");
  if (!token) {
    token.error().message +=
        fmt::format("; make one with: head -c 24 /dev/urandom | base64 > {}", file.string());
    return token;
  }
  const bool sendable = std::ranges::all_of(*token, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7F && c != ',';
  });
  if (sendable) return token;
  return invalid_input(
      fmt::format("the admin token file {} holds a blank, a comma or a letter that is not ASCII: "
                  "it must be one word",
                  file.string()));
}

}  // namespace hanse::serve
