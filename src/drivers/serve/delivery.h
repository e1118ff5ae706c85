// src/drivers/serve/delivery.h
// How much of a stream its client's socket has taken.
//
// A session hands deltas over, the connection keeps the bytes that the socket
// refuses, and those are lost when the process is killed or the client leaves:
// they have not been given to anybody. What a socket has taken is known in
// bytes. Two marks translate that, whatever the length of the stream; so for a
// client that is behind all the time the count is, too, by what is kept for it
// at most twice. It is never ahead.
//
// Plain state.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/money.h"

namespace hanse::serve {

class Delivery {
 public:
  // The answer has come to `deltas`, which are among its first `bytes`.
  void handed(Tokens deltas, std::uint64_t bytes) {
    newest_ = {deltas, bytes};
    if (left_ >= awaited_.deltas) awaited_ = newest_;
  }
  // So many of the bytes have been taken.
  void taken(std::uint64_t bytes) {
    if (bytes >= newest_.bytes) {
      left_ = newest_.deltas;
      awaited_ = newest_;
    } else if (left_ < awaited_.deltas && bytes >= awaited_.bytes) {
      left_ = awaited_.deltas;
      awaited_ = newest_;
    }
  }
  // Whether the rest is taken nobody will know.
  void taken_all(Tokens deltas) { left_ = std::max(left_, deltas); }
  // Deltas that have left for good.
  [[nodiscard]] Tokens left() const { return left_; }

 private:
  struct Mark {
    Tokens deltas{0};
    std::uint64_t bytes = 0;
  };

  Mark awaited_;
  Mark newest_;
  Tokens left_{0};
};

}  // namespace hanse::serve
