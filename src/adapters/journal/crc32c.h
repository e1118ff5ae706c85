// src/adapters/journal/crc32c.h
// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds a block that was cut or
// damaged without knowing the block before it. Not for adversaries; the chain
// of SHA-256 is.
#pragma once

#include <cstdint>
#include <span>

namespace hanse::journal {

std::uint32_t crc32c(std::span<const std::uint8_t> bytes);

}  // namespace hanse::journal
