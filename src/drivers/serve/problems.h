// src/drivers/serve/problems.h
// From what the core and the sockets say to what a client is told.
#pragma once

#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "adapters/api/errors.h"
#include "adapters/http/client.h"
#include "adapters/http/server.h"
#include "core/answer/failure.h"
#include "core/answer/question.h"
#include "core/dispatch/action.h"
#include "core/dispatch/event.h"
#include "core/dispatch/record.h"
#include "core/dispatch/snapshot.h"
#include "core/gate/gate.h"

namespace hanse::serve {

// Whether the key's tenant may buy `alias`.
bool sells(const dispatch::Snapshot& snapshot, KeyId key, AliasId alias);

// model_not_found, with the nearest name that the key's tenant may buy: what is
// sold to others is none of its business.
api::Problem unknown_model(std::string_view asked, const dispatch::Snapshot& snapshot, KeyId key);

// The request as the core needs it, sizes only: alias and latency class found,
// output limit and prompt bounded. Labels and slot are the caller's.
// Fails: model_not_found; bad_request for a class that does not exist.
std::expected<dispatch::Arrived, api::Problem> describe(const answer::Question& question,
                                                        const dispatch::Snapshot& snapshot,
                                                        KeyId key,
                                                        std::optional<std::string_view> class_name);

answer::Failure failure_of(const http::CallFailure& failure);

// What the client is told for every end but a refusal by law, which has its
// own words: api::refused_by_gate(). `report` is the last failure's, if there
// is one.
api::Problem problem_of(const dispatch::Record& record, const dispatch::Refuse& action,
                        const answer::FailureReport* report, const dispatch::Snapshot& snapshot);

std::vector<api::SiteRefusal> refusals_of(const std::vector<gate::Verdict>& verdicts,
                                          const dispatch::Snapshot& snapshot);

// What the HTTP server refuses by itself; the statuses are the same.
api::Problem problem_of(const http::Refusal& refusal);
http::RefusalReply refusal_reply(const api::Problem& problem);

// Ends `exchange` with the problem as status, headers and JSON body.
void reply_problem(http::Exchange& exchange, const api::Problem& problem);

}  // namespace hanse::serve
