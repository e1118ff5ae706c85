// src/adapters/http/head_reader.h
// Reads one head with llhttp into a Headers: the raw text once, and where in
// it the names and values lie. Internal to framing.h.
//
// A connection reads a head for a moment and then carries a stream for
// minutes, so readers are lent: a HeadPool keeps a few for all connections of
// a loop, with the memory that they have grown to.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "adapters/http/framing_rules.h"
#include "adapters/http/message.h"

namespace hanse::http {

class HeadReader {
 public:
  enum class Kind : std::uint8_t { request, response };
  enum class Outcome : std::uint8_t { more, complete, refused };

  struct Extent {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
    [[nodiscard]] std::uint32_t end() const { return at + size; }
  };

  // What the fields say about the message, once the head is complete.
  struct Framing {
    std::optional<std::uint64_t> length;
    unsigned hosts = 0;
    bool chunked = false;
    bool close = false;
    bool keep_alive = false;
    bool expects_continue = false;
    bool expects_other = false;
    Extent host;
  };

  explicit HeadReader(BufferPool& pool);
  HeadReader(const HeadReader&) = delete;
  HeadReader& operator=(const HeadReader&) = delete;

  // For the next head, the first one included; gives the last one's memory
  // back. `limits` must outlive the reading.
  void restart(Kind kind, const FramingLimits& limits);
  // The head is not needed any more.
  void release() { headers_.release(); }
  // `used` is set to the bytes taken; a complete head ends exactly there.
  Outcome read(std::string_view bytes, std::size_t& used);

  // Null unless refused; static.
  [[nodiscard]] const Refusal* refusal() const { return refusal_; }
  [[nodiscard]] const Headers& headers() const { return headers_; }
  [[nodiscard]] const Framing& framing() const { return framing_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] Extent method() const { return method_; }
  [[nodiscard]] Extent target() const { return target_; }
  [[nodiscard]] int status() const { return llhttp_.status_code; }
  // Nothing when it is neither 1.0 nor 1.1.
  [[nodiscard]] std::optional<Version> version() const;
  // One space between the parts of the first line.
  [[nodiscard]] bool spaced_well() const;

 private:
  enum class Part : std::uint8_t { none, method, target, protocol, version, status, name, value };

  static const llhttp_settings_t& settings(Kind kind);
  template <Part part>
  static int on_span(llhttp_t* llhttp, const char* at, std::size_t size);
  static int on_headers_complete(llhttp_t* llhttp);

  int take(Part part, std::uint32_t at, std::uint32_t size);
  int begin_field(std::uint32_t at);
  int refuse(const Refusal& refusal);
  Outcome refused_by_llhttp(int error);
  // Requires: the text is in `headers_`.
  bool read_fields();
  bool read_field(Headers::Entry& entry, FieldKind kind);
  bool read_connection(std::string_view value);
  void mark_named_fields();
  [[nodiscard]] std::string_view text(std::size_t at, std::size_t size) const;

  llhttp_t llhttp_{};
  Headers headers_;
  const FramingLimits* limits_ = nullptr;
  const char* data_ = nullptr;  // of the present read()
  std::uint32_t bytes_ = 0;     // of this head before the present read()
  Extent method_;
  Extent target_;
  Extent protocol_;
  Extent version_;
  const Refusal* refusal_ = nullptr;
  Framing framing_;
  Kind kind_ = Kind::request;
  Part part_ = Part::none;
  bool names_fields_ = false;  // Connection names more than close and keep-alive
};

class HeadPool {
 public:
  // `buffers` holds the text of the heads; both outlive all readers.
  explicit HeadPool(BufferPool& buffers) : buffers_(buffers) {}

  struct GiveBack {
    HeadPool* pool = nullptr;
    void operator()(HeadReader* reader) const { pool->give(reader); }
  };
  using Lent = std::unique_ptr<HeadReader, GiveBack>;

  // Requires: restart() is called before anything else.
  Lent lend();

 private:
  static constexpr std::size_t kSpareMax = 64;

  void give(HeadReader* reader);

  BufferPool& buffers_;
  std::vector<std::unique_ptr<HeadReader>> spare_;
};

}  // namespace hanse::http
