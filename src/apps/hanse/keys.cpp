#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apps/hanse/commands.h"
#include "base/digest.h"

namespace hanse::app {
namespace {

// 32 letters, so that a byte's low five bits choose one without a bias.
constexpr std::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kKeyLetters = 40;  // 200 random bits

// What may stand in a header and in a configuration without quotes.
constexpr std::string_view kPrefixLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
constexpr std::size_t kPrefixLettersMax = 64;

}  // namespace

int keys_new(const KeysNewOptions& options) {
  if (options.prefix.size() > kPrefixLettersMax ||
      options.prefix.find_first_not_of(kPrefixLetters) != std::string::npos) {
    fmt::print(stderr,
               "hanse: a key's prefix has at most {} of the letters A to Z and a to z, digits and "
               "._-\n",
               kPrefixLettersMax);
    return kWrongInput;
  }
  std::array<std::uint8_t, kKeyLetters> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    fmt::print(stderr, "hanse: the system gives no random bytes\n");
    return kFailed;
  }
  std::string key = options.prefix + "-";
  for (const std::uint8_t byte : random) key.push_back(kLetters[byte & 31U]);
  const std::string digest = to_hex(sha256(key));
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"key", key}, {"sha256", digest}}.dump());
    return kDone;
  }
  fmt::print(
      "The key, shown this once and kept nowhere:\n\n  {}\n\n"
      "What the configuration holds instead of it:\n\n"
      "  [tenant.TENANT.project.PROJECT.key.NAME]\n  sha256 = \"{}\"\n\n"
      "Then `kill -HUP` the gateway, or start it, for the key to be known.\n",
      key, digest);
  return kDone;
}

}  // namespace hanse::app
