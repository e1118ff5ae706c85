#include "base/digest.h"

// OpenSSL would have everybody use EVP, which allocates for each digest in
// version 3.0; one is taken of every key, record and block.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/ascii.h"
#include "base/check.h"

namespace hanse {
Sha256 sha256(std::string_view data) { return sha256({data}); }

Sha256 sha256(std::initializer_list<std::string_view> parts) {
  SHA256_CTX context;
  HANSE_CHECK(SHA256_Init(&context) == 1);
  for (const std::string_view part : parts) {
    HANSE_CHECK(SHA256_Update(&context, part.data(), part.size()) == 1);
  }
  Sha256 digest;
  HANSE_CHECK(SHA256_Final(digest.bytes.data(), &context) == 1);
  return digest;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4U]);
    text.push_back(kHexDigits[byte & 0xFU]);
  }
  return text;
}

std::optional<Sha256> sha256_from_hex(std::string_view text) {
  Sha256 digest;
  if (text.size() != digest.bytes.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

}  // namespace hanse
