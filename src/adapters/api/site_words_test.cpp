#include "adapters/api/site_words.h"

#include <gtest/gtest.h>

#include <string>

namespace hanse::api {
namespace {

constexpr SiteSecrets kSecrets{.upstream_model = "acme/Llama-8B-q4",
                               .alias = "llama",
                               .host = "gpu7.inside.example",
                               .credential = "sk-site-0123"};

struct Row {
  std::string_view said;
  std::string_view told;
};

TEST(SiteWords, WhatHelpsTheClientStays) {
  for (const std::string_view words :
       {"", "Field 'temperature': must be at most 2",
        "`n` must be \"1\", caf\xC3\xA9 \xF0\x9F\x9A\xA2",
        "request (931 tokens) exceeds the available context size (768 tokens)",
        "xacme/Llama-8B-q4x, gpu7.inside.examples, myLlama-8B-q4"}) {
    EXPECT_EQ(fit_for_client(words, kSecrets), words);
  }
}

TEST(SiteWords, WhatIsOursAloneDoesNotLeave) {
  for (const Row& row : {
           Row{"The model `acme/Llama-8B-q4` has no tools.", "The model `llama` has no tools."},
           Row{"llama-8b-Q4: acme/llama-8b-q4", "llama: llama"},
           Row{"see gpu7.inside.example:8000, GPU7.inside.example.", "see [site], [site]."},
           Row{"at http://gpu7.inside.example:8000/v1 \"https://other/x\"!",
               "at [link] \"[link]\"!"},
           Row{"key sk-site-0123456 of xsk-site-0123", "key [hidden]456 of x[hidden]"},
           Row{"unix:/run/engine.sock is full", "[link] is full"},
       }) {
    EXPECT_EQ(fit_for_client(row.said, kSecrets), row.told);
  }
}

TEST(SiteWords, ControlCharactersAreBlanks) {
  EXPECT_EQ(fit_for_client("a\r\nb\tc\x1B[31m\x7F", {}), "a  b c [31m ");
  EXPECT_EQ(fit_for_client(std::string("\0x", 2), {}), " x");
  // C1, the end of a line, the turn to the left; and what only begins alike.
  EXPECT_EQ(fit_for_client("\xC2\x85|\xE2\x80\xA8|\xE2\x80\xAE|\xE2\x81\xA6|\xC2\xA0", {}),
            " | | | |\xC2\xA0");
  // Nothing hides behind one.
  EXPECT_EQ(fit_for_client("\x1Bgpu7.inside.example\x07", kSecrets), " [site] ");
}

TEST(SiteWords, AreBoundedInCharacters) {
  const std::string all(kSiteWordsMax, 'x');
  EXPECT_EQ(fit_for_client(all, {}), all);
  EXPECT_EQ(fit_for_client(all + "y", {}), std::string(kSiteWordsMax - 1, 'x') + "\xE2\x80\xA6");
  std::string wide;
  for (std::size_t i = 0; i < 2 * kSiteWordsMax; ++i) wide += "\xC3\xA9";
  const std::string told = fit_for_client(wide, {});
  EXPECT_EQ(told.size(), 2 * (kSiteWordsMax - 1) + 3);
  EXPECT_TRUE(told.ends_with("\xC3\xA9\xE2\x80\xA6"));
  // A secret is not cut in two by the bound.
  const std::string late = std::string(kSiteWordsMax - 4, ' ') + "sk-site-0123";
  EXPECT_EQ(fit_for_client(late, kSecrets).find("sk-"), std::string::npos);
}

TEST(SiteWords, CodesAndFieldsArePlainWordsOrNothing) {
  struct Word {
    std::string_view said;
    bool kept;
  };
  for (const Word& word :
       {Word{"", true}, Word{"invalid_value", true}, Word{"messages[0].role", true},
        Word{"two words", false}, Word{"a\nb", false}, Word{"\xC3\xA9", false},
        Word{"gpu7.inside.example", false}, Word{"Llama-8B-q4", false}}) {
    answer::FailureReport report;
    report.client_message = "no";
    report.client_code = report.client_param = word.said;
    make_fit_for_client(report, kSecrets);
    EXPECT_EQ(report.client_code, word.kept ? word.said : "") << word.said;
    EXPECT_EQ(report.client_param, word.kept ? word.said : "") << word.said;
    EXPECT_EQ(report.client_message, "no");
  }
  answer::FailureReport report;
  report.client_code = std::string(1000, 'x');
  make_fit_for_client(report, {});
  EXPECT_EQ(report.client_code, "");
}

}  // namespace
}  // namespace hanse::api
