#include "adapters/config/canonical.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <utility>

namespace hanse::config {
namespace {

void print_text(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

void print_to(const Node& node, std::string& out) {
  std::string_view separator;
  switch (node.kind) {
    case Node::Kind::text: print_text(node.text, out); break;
    case Node::Kind::boolean: out += node.number != 0 ? "true" : "false"; break;
    case Node::Kind::integer: fmt::format_to(std::back_inserter(out), "{}", node.number); break;
    case Node::Kind::array:
      out += '[';
      for (const Node& item : node.items) {
        out += std::exchange(separator, ", ");
        print_to(item, out);
      }
      out += ']';
      break;
    case Node::Kind::table:
      out += '{';
      for (const Member& member : node.members) {
        out += std::exchange(separator, ", ");
        out += join("", member.key) + " = ";
        print_to(member.value, out);
      }
      out += '}';
      break;
    default: out += node.text; break;
  }
}

void print_lines(const Node& table, const std::string& path, std::string& out) {
  for (const Member& member : table.members) {
    const std::string member_path = join(path, member.key);
    if (member.value.kind == Node::Kind::table && !member.value.members.empty()) {
      print_lines(member.value, member_path, out);
    } else {
      out += member_path + " = ";
      print_to(member.value, out);
      out += '\n';
    }
  }
}

}  // namespace

std::string print_value(const Node& node) {
  std::string out;
  print_to(node, out);
  return out;
}

std::string canonical_text(const Node& root) {
  std::string out;
  print_lines(root, "", out);
  return out;
}

}  // namespace hanse::config
