#include "adapters/api/models.h"

#include <fmt/format.h>

#include "base/json_cursor.h"

namespace hanse::api {

void write_models(std::span<const ModelEntry> models, std::string& out) {
  out += R"({"object":"list","data":[)";
  for (const ModelEntry& model : models) {
    write_model(model, out);
    out += ',';
  }
  if (!models.empty()) out.pop_back();
  out += "]}";
}

void write_model(const ModelEntry& model, std::string& out) {
  out += R"({"id":")";
  append_json_escaped(model.alias, out);
  out += fmt::format(R"(","object":"model","created":{},"owned_by":")", model.created_unix_seconds);
  append_json_escaped(model.owned_by, out);
  out += "\"}";
}

}  // namespace hanse::api
