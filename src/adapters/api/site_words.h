// What a site said of a client's mistake, made fit for the client.
//
// "Field 'temperature' must be at most 2" helps a client as nothing else does,
// so a site's own words go out when the fault is the client's. But they are a
// stranger's: they may be long, hold control characters, or name what is ours
// alone, such as where the site is and what it calls the model.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/answer/failure.h"

namespace hanse::api {

// What is not for the client. What is empty is not looked for.
struct SiteSecrets {
  std::string_view upstream_model;  // said as `alias` instead
  std::string_view alias;
  std::string_view host;        // without port
  std::string_view credential;  // without a scheme before it
};

inline constexpr std::size_t kSiteWordsMax = 500;  // characters

// `words` with all links as "[link]", the host (and a port behind it) as
// "[site]", the credential as "[hidden]", the upstream's name of the model, with
// or without the path before it, as the alias; letters' case does not matter.
// Control characters are blanks. At most kSiteWordsMax characters, the last of
// them an ellipsis when there were more.
// Requires: `words` is UTF-8.
std::string fit_for_client(std::string_view words, const SiteSecrets& secrets);

// The report's words for the client, made fit. A code or a field's name that is
// no plain word, or would have to be changed, is left out.
void make_fit_for_client(answer::FailureReport& report, const SiteSecrets& secrets);

}  // namespace hanse::api
