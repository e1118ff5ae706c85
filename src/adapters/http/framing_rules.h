// src/adapters/http/framing_rules.h
// The checks on a head that llhttp does not make, and the words in which a
// message is refused. Pure functions and static text.
#pragma once

#include <cstdint>
#include <string_view>

#include "adapters/http/framing_limits.h"

namespace hanse::http {

// RFC 9110, 5.6.2.
bool is_token_character(char c);
// Visible characters, space, tab, and bytes above 127.
bool is_value_character(char c);
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);

// Printable ASCII without white space, and no '#'.
bool is_target(std::string_view text);
// uri-host [":" port], not empty, without user info (RFC 9112, 3.2).
bool is_host_value(std::string_view text);

enum class MethodKind : std::uint8_t { usual, refused };
// GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS are usual; CONNECT, TRACE
// and the rest are answered 501.
MethodKind classify_method(std::string_view method);

// Fields that frame the message or concern the connection alone.
enum class FieldKind : std::uint8_t {
  ordinary,
  host,
  content_length,
  transfer_encoding,
  connection,
  expect,
  other_hop_by_hop,  // Keep-Alive, Proxy-*, TE, Trailer, Upgrade, ...
  imitation,         // says content_length and the like: some servers read it as the real one
};
FieldKind classify_field(std::string_view name);

namespace refusals {

inline constexpr Refusal kBadRequestLine{400, "bad_request_line",
                                         "The request line is not valid HTTP/1.1."};
inline constexpr Refusal kBadMethod{400, "bad_method", "The request does not begin with a method."};
inline constexpr Refusal kMethodNotImplemented{501, "method_not_implemented",
                                               "This method is not implemented here."};
inline constexpr Refusal kBadTarget{400, "bad_target",
                                    "The request target must be a path of printable characters."};
inline constexpr Refusal kTargetTooLong{414, "target_too_long", "The request target is too long."};
inline constexpr Refusal kBadVersion{505, "version_not_supported",
                                     "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
inline constexpr Refusal kBadField{400, "bad_header", "A header line is malformed."};
inline constexpr Refusal kBadLineEnd{400, "bad_line_end",
                                     "Lines must end with a carriage return and a line feed."};
inline constexpr Refusal kHeadTooLarge{431, "headers_too_large", "The headers are too large."};
inline constexpr Refusal kTooManyFields{431, "too_many_headers", "There are too many headers."};
inline constexpr Refusal kNoHost{400, "host_missing", "HTTP/1.1 asks for one Host header."};
inline constexpr Refusal kTwoHosts{400, "two_hosts", "There is more than one Host header."};
inline constexpr Refusal kBadHost{400, "bad_host", "The Host header is not a host."};
inline constexpr Refusal kBadLength{400, "bad_content_length",
                                    "The Content-Length header is not one number."};
inline constexpr Refusal kTwoLengths{400, "two_content_lengths",
                                     "There is more than one Content-Length header."};
inline constexpr Refusal kLengthAndCoding{
    400, "length_and_coding", "Content-Length and Transfer-Encoding exclude each other."};
inline constexpr Refusal kTwoCodings{400, "two_transfer_encodings",
                                     "There is more than one Transfer-Encoding header."};
inline constexpr Refusal kBadCoding{501, "transfer_encoding_not_implemented",
                                    "The only transfer encoding known here is chunked."};
inline constexpr Refusal kCodingInOldVersion{400, "transfer_encoding_in_http_1_0",
                                             "HTTP/1.0 knows no Transfer-Encoding."};
inline constexpr Refusal kBadConnection{400, "bad_connection_header",
                                        "The Connection header names too many things."};
inline constexpr Refusal kBadChunk{400, "bad_chunk", "The chunked body is malformed."};
inline constexpr Refusal kBodyTooLarge{413, "body_too_large", "The request body is too large."};
inline constexpr Refusal kTrailersTooLarge{431, "trailers_too_large",
                                           "The trailers are too large."};
inline constexpr Refusal kCutShort{400, "request_cut_short",
                                   "The connection ended before the request did."};
inline constexpr Refusal kBadExpectation{417, "bad_expectation",
                                         "The only expectation known here is 100-continue."};
inline constexpr Refusal kNoMemory{503, "out_of_memory_budget",
                                   "The gateway keeps too many bytes at the moment; try again."};
inline constexpr Refusal kHeadTimedOut{408, "head_timed_out",
                                       "The request's head took too long to arrive."};
inline constexpr Refusal kBodyTimedOut{408, "body_timed_out",
                                       "The request's body took too long to arrive."};
inline constexpr Refusal kTooManyConnections{
    503, "too_many_connections", "The gateway has as many connections as it may have; try again."};
inline constexpr Refusal kDraining{
    503, "draining", "The gateway is stopping and the request was not wholly there; try again."};

// For responses; a client never sees these.
inline constexpr Refusal kBadStatusLine{502, "bad_status_line",
                                        "the status line is not valid HTTP/1.1"};
inline constexpr Refusal kBadStatus{502, "bad_status", "the status is not between 200 and 599"};
inline constexpr Refusal kTooManyInterim{502, "too_many_interim_responses",
                                         "there are too many 1xx responses"};
inline constexpr Refusal kSwitching{502, "switching_protocols", "nobody asked to switch protocols"};
inline constexpr Refusal kResponseCutShort{502, "response_cut_short",
                                           "the connection ended before the response did"};

}  // namespace refusals

}  // namespace hanse::http
