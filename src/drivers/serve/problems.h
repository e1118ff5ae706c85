// src/drivers/serve/problems.h
// From what the core and the sockets say to what a client is told.
#pragma once

#include <expected>
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

// The request as the core needs it, sizes only: alias found, output limit and
// prompt bounded. Labels, class and slot are the caller's.
// Fails: model_not_found.
std::expected<dispatch::Arrived, api::Problem> describe(const answer::Question& question,
                                                        const dispatch::Snapshot& snapshot,
                                                        KeyId key);

answer::Failure failure_of(const http::CallFailure& failure);

// What the client is told for every end but a refusal by law, which has its
// own words: api::refused_by_gate(). `report` is the last failure's, if there
// is one.
api::Problem problem_of(const dispatch::Record& record, const dispatch::Refuse& action,
                        const answer::FailureReport* report, const dispatch::Snapshot& snapshot);

std::vector<api::SiteRefusal> refusals_of(const std::vector<gate::Verdict>& verdicts,
                                          const dispatch::Snapshot& snapshot);

// Ends `exchange` with the problem as status and JSON body.
void reply_problem(http::Exchange& exchange, const api::Problem& problem,
                   std::string_view request_id, std::string_view traceparent);

}  // namespace hanse::serve
