// src/adapters/http/head_reader.h
// Reads one head with llhttp into a Headers: the raw text once, and where in
// it the names and values lie. Internal to framing.h.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

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

  HeadReader(Kind kind, BufferPool& pool, const FramingLimits& limits, Headers& headers);
  HeadReader(const HeadReader&) = delete;
  HeadReader& operator=(const HeadReader&) = delete;

  // For the next head; gives the last one's memory back.
  void restart();
  // `used` is set to the bytes taken; a complete head ends exactly there.
  Outcome read(std::string_view bytes, std::size_t& used);

  [[nodiscard]] const Refusal& refusal() const { return refusal_; }
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
  Headers& headers_;
  BufferPool& pool_;
  const FramingLimits& limits_;
  const char* data_ = nullptr;  // of the present read()
  std::uint32_t bytes_ = 0;     // of this head before the present read()
  Extent method_;
  Extent target_;
  Extent protocol_;
  Extent version_;
  Refusal refusal_;
  Framing framing_;
  Kind kind_;
  Part part_ = Part::none;
  bool names_fields_ = false;  // Connection names more than close and keep-alive
};

}  // namespace hanse::http
