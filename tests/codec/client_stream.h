// tests/codec/client_stream.h
// What a client makes of a stream, and whether the stream kept its grammar:
// one id, one model, role first, one finish a choice and nothing after it,
// usage last and only when asked, one [DONE] or one error.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace hanse::testing {

struct ClientChoice {
  std::string text;
  std::string reasoning;
  std::string finish;
  std::map<int, std::string> arguments;  // of tool calls, by index
  int roles = 0;
};

struct ClientStream {
  std::map<int, ClientChoice> choices;
  std::string id;
  std::string model;
  std::optional<nlohmann::json> usage_chunk;
  std::optional<nlohmann::json> error;
  bool done = false;
  std::string breach;  // of the grammar; empty: none
};

class ClientStreamReader {
 public:
  explicit ClientStreamReader(bool is_chat) : is_chat_(is_chat) {}

  ClientStream read(std::string_view bytes) {
    while (!bytes.empty() && stream_.breach.empty()) {
      const std::size_t end = bytes.find("\n\n");
      if (end == std::string_view::npos) return breach("an event has no end");
      take_event(bytes.substr(0, end));
      bytes.remove_prefix(end + 2);
    }
    return stream_;
  }

 private:
  ClientStream& breach(std::string what) {
    if (stream_.breach.empty()) stream_.breach = std::move(what);
    return stream_;
  }

  void take_event(std::string_view event) {
    if (event.starts_with(":")) return;
    if (!event.starts_with("data: ") || event.contains('\n')) {
      breach("not one line of data: " + std::string(event));
      return;
    }
    const std::string_view data = event.substr(6);
    if (stream_.done || stream_.error) {
      breach("something after the end: " + std::string(event));
    } else if (data == "[DONE]") {
      stream_.done = true;
    } else {
      take_json(nlohmann::json::parse(data));
    }
  }

  void take_json(const nlohmann::json& json) {
    if (json.contains("error")) {
      stream_.error = json["error"];
      return;
    }
    if (stream_.usage_chunk) breach("something after the usage");
    const std::string id = json.at("id");
    const std::string model = json.at("model");
    if (stream_.id.empty()) stream_.id = id;
    if (stream_.model.empty()) stream_.model = model;
    if (stream_.id != id || stream_.model != model) breach("two ids");
    if (json.at("choices").empty()) {
      if (!json.contains("usage") || !json.contains("hanse")) breach("a chunk without a use");
      stream_.usage_chunk = json;
      return;
    }
    if (json.contains("usage")) breach("usage in mid-stream");
    if (json["choices"].size() != 1) breach("several choices in one event");
    take_choice(json["choices"][0]);
  }

  void take_choice(const nlohmann::json& json) {
    ClientChoice& choice = stream_.choices[json.at("index").get<int>()];
    if (!choice.finish.empty()) breach("something after the finish");
    if (is_chat_) {
      take_delta(json.at("delta"), choice);
    } else {
      choice.text += json.at("text").get<std::string>();
    }
    const auto& finish = json.at("finish_reason");
    if (finish.is_string()) choice.finish = finish;
  }

  void take_delta(const nlohmann::json& delta, ClientChoice& choice) {
    choice.roles += delta.contains("role") ? 1 : 0;
    if (choice.roles != 1) breach("the role must come first and once");
    const auto text = [&](const char* name) {
      return delta.contains(name) && delta[name].is_string() ? delta[name].get<std::string>()
                                                             : std::string();
    };
    choice.text += text("content");
    choice.reasoning += text("reasoning_content");
    if (!delta.contains("tool_calls") || !delta["tool_calls"].is_array()) return;
    for (const auto& call : delta["tool_calls"]) {
      choice.arguments[call.at("index")] += call["function"].value("arguments", "");
    }
  }

  bool is_chat_;
  ClientStream stream_;
};

}  // namespace hanse::testing
