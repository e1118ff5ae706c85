"""What is held against a scenario's expectations, and what must hold in all of them."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Iterator

import answers
import faults
from engine import Asked
from play import Came, Played
from scenario import Expect, Scenario, limit_of, seconds

# What a machine that does other things too may add to any time.
SLACK_SECONDS = 1.0
# Per million tokens, from config/four-sites.toml.
PRICES = {"prompt": "0.120", "cached_read": "0.030", "output": "0.360", "reasoning": "0.360"}


def check(scenario: Scenario, mode: str, played: Played) -> list[str]:
    """All that is wrong."""
    wrong = list(played.notes)
    for number, came in enumerate(played.came, 1):
        expect = came.ask.expects[mode]
        found = [*_of_told(scenario, mode, expect, came), *_of_client(expect, came)]
        found += [*_of_record(expect, came), *_of_engines(expect, came), *_of_times(expect, came)]
        wrong += [f"request {number}: {what}" for what in found]
    for words in scenario.logs:
        if words not in played.log:
            wrong.append(f"the log says nothing of {words}")
    return [*wrong, *_of_books(scenario, mode, played)]


def _differs(what: str, expected: object, came: object) -> Iterator[str]:
    if expected is not None and expected != came:
        said = [json.dumps(value, ensure_ascii=False) for value in (expected, came)]
        yield f"{what}: expected {said[0]}, came {said[1]}"


# --- What went over the wire -----------------------------------------------------


def _of_told(scenario: Scenario, mode: str, expect: Expect, came: Came) -> Iterator[str]:
    told = came.told
    if faults.SECRET in told.body or faults.SECRET in str(told.headers):
        yield "a site's own words reached the client"
    if expect.outcome == "gone":
        return
    if told.cut_off:
        yield f"the reply's bytes are cut off (status {told.status})"
    if expect.outcome == "error":
        yield from _of_error(mode, expect, came)
    elif told.error:
        yield f"expected the whole answer, was told {json.dumps(told.error)}"
    elif told.status != 200:
        yield f"expected the whole answer, got status {told.status}"
    elif mode == "whole":
        yield from _of_whole(expect, came)
    if told.is_stream:
        yield from _of_stream(scenario, expect, came)


def _of_error(mode: str, expect: Expect, came: Came) -> Iterator[str]:
    told = came.told
    if not told.error:
        yield f"expected an error, was told none (status {told.status})"
        return
    yield from _differs("told by", expect.told, "event" if told.is_stream else "status")
    if not told.is_stream:
        yield from _differs("status", expect.status, told.status)
    yield from _differs("code", expect.code, told.error["code"])
    if mode == "stream" and "[DONE]" in told.events:
        yield "[DONE] after an error"
    if expect.retry_after:
        least, most = (seconds(text) for text in expect.retry_after)
        said = told.headers.get("retry-after")
        if said is None or not least <= int(said) <= most:
            yield f"Retry-After: expected {least:.0f} to {most:.0f} seconds, came {said}"


def _of_whole(expect: Expect, came: Came) -> Iterator[str]:
    told = came.told.whole
    for choice in told["choices"]:
        yield from _differs("finish", expect.finish, choice["finish_reason"])
    yield from _of_usage(expect, told.get("usage"), told.get("hanse", {}), came)


def _of_stream(scenario: Scenario, expect: Expect, came: Came) -> Iterator[str]:
    told = came.told
    for name in ("id", "model"):
        if len({chunk[name] for chunk in told.chunks}) > 1:
            yield f"more than one {name}: {sorted({chunk[name] for chunk in told.chunks})}"
    choices = [choice for chunk in told.chunks for choice in chunk["choices"]]
    for index in {choice["index"] for choice in choices}:
        of_index = [choice for choice in choices if choice["index"] == index]
        roles = [choice["delta"]["role"] for choice in of_index if choice.get("delta", {}).get("role")]
        finishes = [choice["finish_reason"] for choice in of_index if choice.get("finish_reason")]
        if came.ask.api == "chat" and len(roles) != 1:
            yield f"choice {index} has {len(roles)} roles"
        if expect.outcome == "whole" and len(finishes) != 1:
            yield f"choice {index} has {len(finishes)} finishes"
        if expect.outcome == "error" and finishes:
            yield f"choice {index} is finished, and then came an error"
        for finish in finishes:
            yield from _differs("finish", expect.finish, finish)
    if expect.outcome != "whole":
        return
    if told.events.count("[DONE]") != 1 or told.events[-1] != "[DONE]":
        yield f"[DONE] came {told.events.count('[DONE]')} times, and the last event is {told.events[-1:]}"
    reports = [chunk for chunk in told.chunks if chunk.get("usage")]
    if len(reports) != 1:
        yield f"usage came {len(reports)} times"
    for chunk in reports[:1]:
        yield from _of_usage(expect, chunk["usage"], chunk.get("hanse", {}), came)


def _of_usage(expect: Expect, usage: dict | None, hanse: dict, came: Came) -> Iterator[str]:
    if usage is None:
        yield "no usage"
        return
    if expect.usage:
        used = {"prompt": usage["prompt_tokens"], "output": usage["completion_tokens"]}
        yield from _differs("usage", expect.usage, used)
    yield from _differs("estimated", expect.estimated, hanse.get("estimated", False))
    if expect.rescue not in (None, "any"):
        yield from _differs("rescue", expect.rescue, hanse.get("rescue", "none"))
    if came.record:
        yield from _differs("attempts in the answer", len(came.record["attempts"]), hanse.get("attempts"))


# --- What the client made of it ----------------------------------------------------


def _of_client(expect: Expect, came: Came) -> Iterator[str]:
    heard = came.heard
    for index, text in enumerate(heard.texts):
        if expect.outcome == "whole":
            yield from _differs(f"text {index}", expect.text, text)
        elif expect.text is not None:
            yield from _differs(f"text {index}", expect.text, text)
    if expect.outcome == "whole":
        if heard.error:
            yield f"the client raised {json.dumps(heard.error)}"
        if not heard.texts:
            yield "the client has no text"
        if not heard.finishes:
            yield "the client has no finish reason"
    elif expect.outcome == "error":
        if not heard.error:
            yield f"the client took it for complete: {heard.texts} {heard.finishes}"
            return
        yield from _differs("the client's code", expect.code, heard.error["code"])
        if not came.told.is_stream:
            yield from _differs("the client's status", expect.status, heard.error["status"])


# --- What the books and the record say ----------------------------------------------


def _of_record(expect: Expect, came: Came) -> Iterator[str]:
    record = came.record
    if record is None:
        if expect.outcome != "gone":
            yield "no x-request-id, so no record"
        return
    ended = [
        attempt["site"] if attempt["outcome"] == "answered" else f"{attempt['site']}: {attempt['outcome']}"
        for attempt in record["attempts"]
    ]
    # "ashburn: reset or unreachable" is either, where it is for the kernel to say.
    either = [one.replace(" or ", "|").split("|") for one in expect.attempts or []]
    if len(either) != len(ended) or not all(_is_one_of(one, end) for one, end in zip(either, ended, strict=True)):
        yield from _differs("attempts", expect.attempts, ended)
    bill = record["bill"]
    cost = sum(decimal.Decimal(PRICES.get(kind, "0")) * count for kind, count in bill["tokens"].items())
    charged = decimal.Decimal(bill["charged"])
    if abs(charged + decimal.Decimal(bill["written_off"]) - cost / 1_000_000) > decimal.Decimal("0.000000001"):
        yield f"charged {charged} for {bill['tokens']}"
    if expect.outcome == "whole":
        usage = (came.heard.usages or [None])[-1]
        output = bill["tokens"]["output"] + bill["tokens"]["reasoning"]
        if usage and usage["completion_tokens"] != output:
            yield f"the client was told of {usage['completion_tokens']} output tokens and pays for {output}"
        yield from _of_last_attempt(record["attempts"][-1], came.asked[-1])
    nothing_came = expect.outcome == "error" and not came.told.text
    if (expect.free_of_charge or nothing_came) and charged:
        yield f"charged {charged} for nothing"
    owed = sum(decimal.Decimal(attempt["owed"]) for attempt in record["attempts"])
    if owed != decimal.Decimal(bill["owed_to_suppliers"]):
        yield f"the attempts are owed {owed}, the bill says {bill['owed_to_suppliers']}"


def _of_last_attempt(attempt: dict, asked: Asked) -> Iterator[str]:
    """What the site that ended the answer is owed for is what its engine says that it did."""
    if attempt["tokens_estimated"] or attempt["outcome"] != "answered" or not asked.reports:
        return
    tokens = attempt["tokens"]
    booked = [tokens["prompt"] + tokens["cached_read"], tokens["output"] + tokens["reasoning"]]
    said = [asked.reports["prompt_tokens"], asked.reports["completion_tokens"]]
    yield from _differs(f"tokens booked for {attempt['site']}", said, booked)


def _is_one_of(either: list[str], end: str) -> bool:
    site = either[0].partition(":")[0]
    return end in (either[0], *(f"{site}: {other}" for other in either[1:]))


def _of_books(scenario: Scenario, mode: str, played: Played) -> Iterator[str]:
    audit = played.audit
    if not audit["good"]:
        yield f"the books do not verify: {json.dumps(audit)}"
    for left in ("requests_open", "requests_lost"):
        if audit[left]:
            yield f"{left}: {audit[left]}"
    whole = sum(ask.expects[mode].outcome == "whole" for ask in scenario.asks)
    if not whole <= audit["requests_charged"] <= len(scenario.asks):
        yield f"{audit['requests_charged']} requests were charged, {whole} were answered"


# --- What the engines saw -----------------------------------------------------------


def _of_engines(expect: Expect, came: Came) -> Iterator[str]:
    sites = [asked.site for asked in came.asked]
    yield from _differs("asked", expect.asked, sites)
    for site in expect.not_asked or []:
        if site in sites:
            yield f"{site} was asked: {sites}"
    if expect.continues_from is not None:
        yield from _differs("continues from", expect.continues_from, [_given(came, one.body) for one in came.asked])
    if expect.rescue == "repeated" and expect.continues_from is None:
        yield from _differs("given in a repetition", [""] * len(sites), [_given(came, one.body) for one in came.asked])
    if expect.limits_sent is not None:
        sent = [one.body.get("max_completion_tokens", one.body.get("max_tokens")) for one in came.asked]
        yield from _differs("limits sent", expect.limits_sent, sent)
    for one in came.asked[1:]:
        yield from _of_question(came, came.asked[0].body, one)
    over_at = came.client_left_at if expect.outcome == "gone" else came.ended_at
    for one in came.asked:
        if not one.waited_for_it:
            continue
        if one.left_at is None:
            yield f"{one.site} was left working for nobody"
        elif over_at and one.left_at - over_at > seconds(expect.cancelled_within or "0s") + SLACK_SECONDS:
            yield f"{one.site} was left only {one.left_at - over_at:.1f} s after the end"


def _of_question(came: Came, first: dict, later: Asked) -> Iterator[str]:
    """A later attempt asks the same question, but for what it is given to go on from."""
    changing = {"messages", "prompt", "model", "max_tokens", "max_completion_tokens"}
    for name in set(first) - changing:
        yield from _differs(f"{name} as {later.site} was asked", first[name], later.body.get(name))
    if came.ask.api == "chat":
        asked = later.body["messages"][: len(first["messages"])]
        yield from _differs(f"messages as {later.site} was asked", first["messages"], asked)
        if len(later.body["messages"]) > len(first["messages"]) + 1:
            yield f"{later.site} was asked with {len(later.body['messages'])} messages"


def _given(came: Came, body: dict) -> str:
    """The part of the answer that an engine was given to go on from."""
    if came.ask.api == "completion":
        return str(body["prompt"]).removeprefix(answers.PROMPT)
    last = body["messages"][-1]
    return last["content"] if last["role"] == "assistant" else ""


# --- How long it took ---------------------------------------------------------------

# From a loss that is certain to the next attempt elsewhere; records say when
# attempts were opened to the millisecond.
GOES_ON_WITHIN_SECONDS = 0.1


def _of_going_on(came: Came) -> Iterator[str]:
    """Another site is asked at once; only the same one has a pause before it."""
    attempts = came.record["attempts"] if came.record else []
    for after in attempts[1:]:
        before = attempts[: after["number"] - 1]
        if after["hedge"] or any(attempt["site"] == after["site"] for attempt in before):
            continue
        # While one of two goes on nothing is lost.
        lost = max(_opened(attempt) + attempt["measured"]["took_ns"] / 1e9 for attempt in before)
        if (waited := _opened(after) - lost) > GOES_ON_WITHIN_SECONDS:
            yield f"{after['site']} was asked {waited * 1000:.0f} ms after {before[-1]['site']} was lost"


def _opened(attempt: dict) -> float:
    return datetime.datetime.fromisoformat(attempt["opened_at"]).timestamp()


def _of_times(expect: Expect, came: Came) -> Iterator[str]:
    yield from _of_going_on(came)
    if expect.took:
        least, most = (seconds(text) for text in expect.took)
        if not least <= came.took <= most:
            yield f"took {came.took:.2f} s, expected {least} to {most}"
    if expect.noticed_within and came.record:
        first = came.record["attempts"][0]
        predicted = first["predicted"]["first_token_ns"] / 1e9
        limit = first["limits"]["first_token_ns"] / 1e9
        most = limit_of(expect.noticed_within, predicted)
        if limit > most:
            yield f"the limit was {limit:.2f} s, expected at most {expect.noticed_within} = {most:.2f} s"
        took = first["measured"]["took_ns"] / 1e9
        if took > limit + SLACK_SECONDS:
            yield f"noticed after {took:.2f} s, though the limit was {limit:.2f} s"
