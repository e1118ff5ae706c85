// Feeds both parsers with arbitrary bytes, whole and in pieces, and stops when
// the two disagree: then some cut of a stream would smuggle a message.
//
// The first byte chooses the parser, the second the size of the pieces.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/http/framing.h"
#include "base/check.h"

namespace hanse::http {
namespace {

// Everything a parser says, as one text.
struct Said {
  std::string text;
  std::string body;

  void end_message(std::string_view how) {
    text += body;
    text += '|';
    text += how;
    text += '\n';
    body.clear();
  }
};

void write_fields(Said& said, const Headers& headers) {
  for (const Field field : headers) {
    HANSE_CHECK(is_token(field.name) && is_field_value(field.value));
    said.text += std::string(field.name) + "=" + std::string(field.value) +
                 (field.hop_by_hop ? "!" : "") + ";";
  }
}

void check_fed(const Fed& fed, const char* data, std::size_t size) {
  HANSE_CHECK(fed.used <= size && fed.body.size() <= fed.used);
  HANSE_CHECK(fed.body.empty() ||
              (fed.body.data() >= data && fed.body.data() + fed.body.size() <= data + fed.used));
  HANSE_CHECK(fed.event != FramingEvent::more || fed.used == size);
}

FramingLimits small_limits() {
  FramingLimits limits;
  limits.head_bytes_max = 512;
  limits.target_bytes_max = 64;
  limits.fields_max = 8;
  limits.body_bytes_max = 256;
  limits.trailer_bytes_max = 64;
  return limits;
}

std::string requests(std::string input, std::size_t piece) {
  BufferPool pool;
  HeadPool heads(pool);
  const FramingLimits limits = small_limits();
  RequestParser parser(heads, limits);
  Said said;
  std::size_t at = 0;
  bool head = false;
  while (at < input.size() || head) {
    char* data = input.data() + at;
    const std::size_t size = std::min(piece, input.size() - at);
    const Fed fed = parser.feed({data, size});
    check_fed(fed, data, size);
    at += fed.used;
    said.body += fed.body;
    head = fed.event == FramingEvent::head;
    if (head) {
      HANSE_CHECK(is_target(parser.head().target()));
      said.text +=
          std::string(parser.head().method()) + " " + std::string(parser.head().target()) + " ";
      write_fields(said, parser.head().headers());
    }
    if (fed.event == FramingEvent::complete) {
      said.end_message(parser.keep_alive() ? "keep" : "close");
      parser.restart();
    }
    if (fed.event == FramingEvent::refused) {
      // How much of a body was told before a refusal depends on the cut, and
      // so does the reason when there are two.
      HANSE_CHECK(!parser.refusal().code.empty());
      said.body.clear();
      said.end_message("refused");
      return said.text;
    }
  }
  said.end_message(parser.begun() ? "more" : "none");
  return said.text;
}

std::string response(std::string input, std::size_t piece, bool head_only) {
  BufferPool pool;
  HeadPool heads(pool);
  const FramingLimits limits = small_limits();
  ResponseParser parser(heads, limits);
  parser.restart(head_only);
  Said said;
  std::size_t at = 0;
  bool head = false;
  while (at < input.size() || head) {
    char* data = input.data() + at;
    const std::size_t size = std::min(piece, input.size() - at);
    const Fed fed = parser.feed({data, size});
    check_fed(fed, data, size);
    at += fed.used;
    said.body += fed.body;
    head = fed.event == FramingEvent::head;
    if (head) {
      said.text += std::to_string(parser.head().status()) + " ";
      write_fields(said, parser.head().headers());
    }
    if (fed.event == FramingEvent::complete) {
      said.end_message(parser.keep_alive() ? "keep" : "close");
      said.text += std::to_string(input.size() - at);
      return said.text;
    }
    if (fed.event == FramingEvent::refused) {
      said.body.clear();
      said.end_message("refused");
      return said.text;
    }
  }
  said.end_message(parser.finish() ? "closed" : "cut");
  return said.text;
}

}  // namespace
}  // namespace hanse::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::http;
  if (size < 3) return 0;
  const std::string input(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t piece = 1U + data[1] % 32U;
  const unsigned mode = data[0] % 3U;
  if (mode == 0) {
    HANSE_CHECK(requests(input, input.size()) == requests(input, piece));
  } else {
    HANSE_CHECK(response(input, input.size(), mode == 2) == response(input, piece, mode == 2));
  }
  return 0;
}
