#include "adapters/http/message.h"

#include "base/ascii.h"
#include "base/bytes.h"
#include "base/check.h"

namespace hanse::http {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  while (a.size() >= 8) {
    if (lower_case(first_word(a)) != lower_case(first_word(b))) return false;
    a.remove_prefix(8);
    b.remove_prefix(8);
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

Field Headers::operator[](std::size_t i) const {
  HANSE_CHECK(i < entries_.size());
  const Entry& entry = entries_[i];
  const std::string_view text = text_.view();
  return {.name = text.substr(entry.name_at, entry.name_size),
          .value = text.substr(entry.value_at, entry.value_size),
          .hop_by_hop = entry.hop_by_hop};
}

// Requires: `name` is not empty.
bool Headers::is_named(const Entry& entry, std::string_view name) const {
  return entry.name_size == name.size() && entry.initial == to_lower(name.front()) &&
         equals_ignoring_case(text_.view().substr(entry.name_at, entry.name_size), name);
}

// Requires: `name` is not empty.
bool Headers::may_hold(std::string_view name) const {
  return (marks_ & mark(name.size(), to_lower(name.front()))) != 0;
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  if (!may_hold(name)) return std::nullopt;
  for (const Entry& entry : entries_) {
    if (is_named(entry, name)) return text_.view().substr(entry.value_at, entry.value_size);
  }
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const {
  if (!may_hold(name)) return 0;
  std::size_t n = 0;
  for (const Entry& entry : entries_) n += is_named(entry, name) ? 1U : 0U;
  return n;
}

const Headers& Headers::none() {
  static const Headers empty;
  return empty;
}

std::string_view RequestHead::view(std::size_t at, std::size_t size) const {
  const std::string_view text = headers_->text();
  return at < text.size() ? text.substr(at, size) : std::string_view();  // empty once released
}

std::string_view RequestHead::query() const {
  return view(target_at_ + path_size_ + 1U,
              path_size_ == target_size_ ? 0U : target_size_ - path_size_ - 1U);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 529: return "Site is Overloaded";
    default: return "";
  }
}

}  // namespace hanse::http
