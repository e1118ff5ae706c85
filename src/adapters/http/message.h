// src/adapters/http/message.h
// What a request or a response says about itself before its body.
//
// A parsed head is one block of text and an index into it; names and values
// are views. Heads have passed the framing rules (framing.h): names are
// tokens, values hold no control bytes, framing fields agree with each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "adapters/http/buffer.h"

namespace hanse::http {

// ASCII letters only, as field names and tokens compare.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// A field to send. Lines whose name is no token or whose value holds control
// bytes are never written: a server drops them, a call fails.
struct HeaderLine {
  std::string_view name{};
  std::string_view value{};
};
using HeaderLines = std::span<const HeaderLine>;

// A field received.
struct Field {
  std::string_view name{};   // as it was sent
  std::string_view value{};  // without surrounding white space
  // About this connection alone (RFC 9110, 7.6.1), or named by Connection;
  // such fields must not be handed on.
  bool hop_by_hop = false;
};

class Headers {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Field;
    using difference_type = std::ptrdiff_t;

    Iterator(const Headers* headers, std::size_t i) : headers_(headers), i_(i) {}
    Field operator*() const { return (*headers_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Headers* headers_;
    std::size_t i_;
  };

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  Field operator[](std::size_t i) const;
  [[nodiscard]] Iterator begin() const { return {this, 0}; }
  [[nodiscard]] Iterator end() const { return {this, entries_.size()}; }

  // The first field of that name, in any case.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const { return find(name).has_value(); }
  [[nodiscard]] std::size_t count(std::string_view name) const;

  // Without any field.
  static const Headers& none();

 private:
  friend class HeadReader;
  friend class RequestHead;
  friend class RequestParser;

  struct Entry {
    std::uint16_t name_at = 0;
    std::uint16_t name_size = 0;
    std::uint16_t value_at = 0;
    std::uint16_t value_size = 0;
    bool hop_by_hop = false;
    char initial = 0;  // of the name, in small letters: tells most names apart
  };
  [[nodiscard]] bool is_named(const Entry& entry, std::string_view name) const;

  [[nodiscard]] std::string_view text() const { return text_.view(); }

  // Gives the text back; the index keeps its small capacity.
  void release() {
    text_.release();
    entries_.clear();
  }

  // One bit of 64, by length and initial: a name that no field shares its bit
  // with is not there.
  static std::uint64_t mark(std::size_t name_size, char initial) {
    return std::uint64_t{1} << ((name_size * 5 + static_cast<unsigned char>(initial)) % 64);
  }
  [[nodiscard]] bool may_hold(std::string_view name) const;

  Buffer text_;
  std::vector<Entry> entries_;
  std::uint64_t marks_ = 0;
};

enum class Version : std::uint8_t { http_1_0, http_1_1 };

class RequestHead {
 public:
  [[nodiscard]] std::string_view method() const { return view(method_at_, method_size_); }
  // As sent, always in origin form: "/v1/models?limit=2".
  [[nodiscard]] std::string_view target() const { return view(target_at_, target_size_); }
  // The target before '?', not decoded.
  [[nodiscard]] std::string_view path() const { return view(target_at_, path_size_); }
  // The target after '?', empty without one.
  [[nodiscard]] std::string_view query() const;
  [[nodiscard]] Version version() const { return version_; }
  [[nodiscard]] const Headers& headers() const { return *headers_; }

 private:
  friend class RequestParser;

  [[nodiscard]] std::string_view view(std::size_t at, std::size_t size) const;

  const Headers* headers_ = &Headers::none();
  std::uint16_t method_at_ = 0;
  std::uint16_t method_size_ = 0;
  std::uint16_t target_at_ = 0;
  std::uint16_t target_size_ = 0;
  std::uint16_t path_size_ = 0;
  Version version_ = Version::http_1_1;
};

class ResponseHead {
 public:
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] Version version() const { return version_; }
  [[nodiscard]] const Headers& headers() const { return *headers_; }
  // The announced length of the body, when there is one.
  [[nodiscard]] std::optional<std::uint64_t> content_length() const { return content_length_; }

 private:
  friend class ResponseParser;

  const Headers* headers_ = &Headers::none();
  std::optional<std::uint64_t> content_length_;
  std::uint16_t status_ = 0;
  Version version_ = Version::http_1_1;
};

// "Not Found" for 404; empty for a status without a name.
std::string_view reason_phrase(int status);

}  // namespace hanse::http
