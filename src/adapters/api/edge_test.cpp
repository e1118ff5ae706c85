// Routes, request headers and the list of models.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "adapters/api/models.h"
#include "adapters/api/request_headers.h"
#include "adapters/api/route.h"

namespace hanse::api {
namespace {

TEST(FindRoute, KnowsEveryOperation) {
  EXPECT_EQ(find_route("POST", "/v1/chat/completions")->operation, Operation::chat_completions);
  EXPECT_EQ(find_route("POST", "/v1/completions?x=1")->operation, Operation::completions);
  EXPECT_EQ(find_route("GET", "/v1/models")->operation, Operation::list_models);
  EXPECT_EQ(find_route("GET", "/v1/models/a%2Fb/c?x"),
            (Route{.operation = Operation::get_model, .model_id = "a/b/c"}));
}

TEST(FindRoute, RefusesTheRest) {
  for (const std::string_view target :
       {"/", "", "/v1", "/v1/chat/completions/", "/v1/models/", "/V1/models", "/v1/models/a%2",
        "/v1/models/%zz", "*", "/v1/embeddings"}) {
    const auto route = find_route("GET", target);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(http_status(route.error()), 404) << target;
  }
}

TEST(FindRoute, OtherMethodsAreToldWhatIsAllowed) {
  const auto post = find_route("GET", "/v1/chat/completions");
  ASSERT_FALSE(post);
  EXPECT_EQ(http_status(post.error()), 405);
  EXPECT_EQ(post.error().allow, "POST");
  EXPECT_EQ(find_route("POST", "/v1/models").error().allow, "GET");
  EXPECT_EQ(find_route("get", "/v1/models").error().allow, "GET");
}

TEST(ContentType, MustBeJsonInUtf8) {
  for (const std::string_view type :
       {"", "application/json", "Application/JSON; charset=UTF-8", "application/vnd.x+json",
        "application/json;charset=\"utf-8\"", "application/json; foo=bar"}) {
    EXPECT_TRUE(check_content_type(type)) << type;
  }
  for (const std::string_view type :
       {"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
        "multipart/form-data; boundary=x", "json"}) {
    const auto checked = check_content_type(type);
    ASSERT_FALSE(checked) << type;
    EXPECT_EQ(http_status(checked.error()), 415);
  }
}

// A label under a name that is nearly right was no label.
TEST(OurHeaders, NamesThatAreNearlyRightAreNoticed) {
  for (const std::string_view name :
       {"Hanse-Labels", "hanse_data", "HANSE.DATA", "Hanse-Dat", "hansedata", "Hanse", "hanse-",
        "Hanse-Data-", "hanse-classes", "Hanse-Site"}) {
    EXPECT_TRUE(is_almost_ours(name)) << name;
  }
  for (const std::string_view name : {"Hanse-Data", "hanse-class", "HANSE-CLASS", "Host", "", "h",
                                      "Hans-Data", "X-Hanse-Data", "Han"}) {
    EXPECT_FALSE(is_almost_ours(name)) << name;
  }
}

TEST(OurHeaders, TheNearestIsNamed) {
  EXPECT_EQ(not_our_header("Hanse.Data").param, "hanse-data");
  EXPECT_EQ(not_our_header("hanse_class").param, "hanse-class");
  EXPECT_EQ(not_our_header("Hanse-Clas").message,
            "There is no request header `Hanse-Clas`. Did you mean `hanse-class`?");
  EXPECT_EQ(not_our_header("Hanse-Labels").param, "hanse-data");
  EXPECT_EQ(http_status(not_our_header("Hanse-Labels")), 400);
  EXPECT_LT(not_our_header("hanse" + std::string(9000, 'x')).message.size(), 200U);
}

TEST(OurHeaders, ATrailerMayNotAnnounceThem) {
  for (const std::string_view value : {"Hanse-Data", "x, hanse-data", "x,\tHANSE-DATA ,y"}) {
    EXPECT_TRUE(announces_ours(value)) << value;
  }
  for (const std::string_view value : {"", "Expires", "x-hanse-data", ",,", "x, y"}) {
    EXPECT_FALSE(announces_ours(value)) << value;
  }
}

TEST(Bearer, IsTakenInAnyCase) {
  for (const std::string_view value :
       {"Bearer hk-1", "bearer hk-1", "BEARER   hk-1", " Bearer\thk-1 "}) {
    EXPECT_EQ(read_bearer(value).value_or("none"), "hk-1") << value;
  }
}

TEST(Bearer, OtherSchemesAreRefusedClearlyAndNotQuoted) {
  for (const std::string_view value : {"", "Bearer", "Bearer ", "Basic hk-1", "hk-1",
                                       "Bearer hk-1, Bearer hk-2", "BearerX hk-1", "Bearerhk-1"}) {
    const auto key = read_bearer(value);
    ASSERT_FALSE(key) << value;
    EXPECT_EQ(http_status(key.error()), 401);
    EXPECT_EQ(key.error().message.find("hk-1"), std::string::npos);
  }
}

TEST(LatencyClass, IsANameOrAbsent) {
  EXPECT_EQ(read_class("").value(), std::nullopt);
  EXPECT_EQ(read_class(" batch ").value(), "batch");
  EXPECT_FALSE(read_class("a, b"));
  EXPECT_FALSE(read_class(std::string(65, 'a')));
}

TEST(IdempotencyKey, IsVisibleAndOfBoundedLength) {
  EXPECT_EQ(read_idempotency_key(" 8e03978e-40d5 ").value(), "8e03978e-40d5");
  EXPECT_EQ(read_idempotency_key("\"quoted\"").value(), "\"quoted\"");
  EXPECT_EQ(read_idempotency_key(std::string(255, 'a')).value().size(), 255U);
  for (const std::string& bad :
       {std::string(), std::string(" "), std::string(256, 'a'), std::string("a b"),
        std::string("caf\xC3\xA9"), std::string("a\x7F")}) {
    const auto read = read_idempotency_key(bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().kind, ProblemKind::bad_request);
    EXPECT_EQ(read.error().param, "idempotency-key");
  }
}

class Labels : public ::testing::Test {
 protected:
  gate::LabelVocabulary vocabulary_;
  gate::LabelSet personal_ = vocabulary_.add(gate::Dimension::data, "personal").value();
  gate::LabelSet eu_ = vocabulary_.add(gate::Dimension::subjects, "EU").value();
  gate::LabelSet health_ = vocabulary_.add(gate::Dimension::categories, "health").value();
  gate::LabelSet default_ = personal_ | eu_;
};

TEST_F(Labels, AHeaderAddsToTheTenants) {
  const LabelRules rules{.tenant_default = default_};
  EXPECT_EQ(read_labels(vocabulary_, "", rules).value(), default_);
  EXPECT_EQ(read_labels(vocabulary_, "categories=health", rules).value(), default_ | health_);
  EXPECT_EQ(read_labels(vocabulary_, "none", rules).value(), default_);
}

TEST_F(Labels, OnlyAKeyThatMayRelaxTakesThemAway) {
  const LabelRules rules{.tenant_default = default_, .key_may_relax = true};
  EXPECT_EQ(read_labels(vocabulary_, "none", rules).value(), gate::LabelSet());
  EXPECT_EQ(read_labels(vocabulary_, "", rules).value(), default_);
}

TEST_F(Labels, UnknownOnesAreRefused) {
  const auto refused = read_labels(vocabulary_, "personel", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(http_status(refused.error()), 400);
  EXPECT_EQ(refused.error().param, "hanse-data");
}

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, GoesThereAndBack) {
  const auto context = read_traceparent(kParent);
  ASSERT_TRUE(context);
  const Traceparent out = to_traceparent(*context);
  EXPECT_EQ(std::string_view(out.data(), out.size()), kParent);
}

TEST(Traceparent, MalformedOnesStartAnew) {
  for (const std::string& value :
       {std::string(), std::string("x"), std::string(kParent) + "-x",
        "ff" + std::string(kParent.substr(2)),
        std::string("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        std::string("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")}) {
    EXPECT_FALSE(read_traceparent(value)) << value;
  }
  EXPECT_TRUE(read_traceparent("01" + std::string(kParent.substr(2)) + "-more"));
}

TEST(Traceparent, AChildKeepsTheTraceAndHasItsOwnSpan) {
  const auto parent = read_traceparent(kParent);
  const TraceContext child = child_context(parent, {1, 2, 3});
  EXPECT_EQ(child.trace_id, parent->trace_id);
  EXPECT_NE(child.parent_id, parent->parent_id);
  EXPECT_EQ(child.flags, 1);
  const TraceContext alone = child_context(std::nullopt, {0, 0, 0});
  const Traceparent text = to_traceparent(alone);
  const std::string_view out(text.data(), text.size());
  EXPECT_TRUE(read_traceparent(out)) << out;
}

TEST(ClientRequestId, IsRecordedOnlyWhenPlain) {
  EXPECT_EQ(read_client_request_id(" abc-1 "), "abc-1");
  EXPECT_FALSE(read_client_request_id(""));
  EXPECT_FALSE(read_client_request_id("a b"));
  EXPECT_FALSE(read_client_request_id("a\x01"));
  EXPECT_FALSE(read_client_request_id(std::string(129, 'a')));
}

TEST(Models, AreListed) {
  const ModelEntry models[] = {{.alias = "a\"b", .created_unix_seconds = 7}, {.alias = "c"}};
  std::string out;
  write_models(models, out);
  const auto json = nlohmann::json::parse(out);
  EXPECT_EQ(json["object"], "list");
  EXPECT_EQ(json["data"][0]["id"], "a\"b");
  EXPECT_EQ(json["data"][0]["created"], 7);
  EXPECT_EQ(json["data"][1]["object"], "model");
  std::string none;
  write_models({}, none);
  EXPECT_TRUE(nlohmann::json::parse(none)["data"].empty());
}

}  // namespace
}  // namespace hanse::api
