"""The walk: the product's questions, asked by a real client of a real grid.

Each step asks something, shows the answer as it streams, the decision with its
reasons, and the bill; then it states what it claims. A claim that does not
hold ends the walk with a message that says which and what was found instead:
the walk is a demonstration and a test, and must not be prettier than the truth.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import re
import subprocess
import time
import typing
from collections.abc import Callable

import layout
from console import WIDTH, Typewriter, paint, say, wrap

if typing.TYPE_CHECKING:
    import grid as grid_module

# The keys of config/four-sites.toml. They open nothing but this demonstration.
ACME = "hk-demo-acme-000000000000"
SMALLSHOP = "hk-demo-smallshop-0000000"

QUESTION = "What is a harbour? Answer in one sentence."
PERSONAL = "personal; subjects=EU"
PERSONAL_HEALTH = "personal; subjects=EU; categories=health"


class ClaimFailed(Exception):
    """A step claimed what is not so."""


@dataclasses.dataclass
class Answer:
    """What a client sees of one answered request."""

    text: str
    finish_reason: str | None
    site: str
    attempts: int
    request_id: str
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    first_token_seconds: float
    seconds: float
    cost: dict[str, str] | None


@dataclasses.dataclass
class Refusal:
    """What a client sees of one refused request."""

    status: int
    code: str
    message: str
    request_id: str
    headers: typing.Mapping[str, str]


class Walk:
    """One walk through a grid that is up."""

    def __init__(self, grid: grid_module.Grid) -> None:
        # Only here, so that `make down` works before the client is installed.
        import openai

        self._openai = openai
        self.grid = grid
        self.plan = grid.plan
        self.last_request_id = ""

    # --- Asking ---

    def ask(self, key: str = ACME, data: str | None = None) -> Answer:
        """Asks the question and prints the answer while it streams."""
        client = self._openai.OpenAI(base_url=self.plan.url, api_key=key)
        self._print_question(data)
        begun = time.monotonic()
        first = 0.0
        text, finish, usage = "", None, None
        hanse: dict[str, typing.Any] = {}
        with client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=64,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers={"Hanse-Data": data} if data else {},
        ) as stream:
            headers = stream.response.headers
            site = headers.get("hanse-site", "?")
            print("    " + paint(f"{site:<9}", "cyan", "bold") + " ", end="", flush=True)
            writer = Typewriter(" " * 14, 14)
            for chunk in stream:
                piece = chunk.choices[0].delta.content if chunk.choices else None
                if piece:
                    first = first or time.monotonic() - begun
                    text += piece
                    writer.write(piece)
                if chunk.choices and chunk.choices[0].finish_reason:
                    finish = chunk.choices[0].finish_reason
                usage = chunk.usage or usage
                hanse = (chunk.model_extra or {}).get("hanse") or hanse
            writer.end()
        if usage is None:
            raise ClaimFailed("The stream ended without a usage chunk, though one was asked for.")
        details = usage.prompt_tokens_details
        answer = Answer(
            text=text,
            finish_reason=finish,
            site=site,
            attempts=int(headers.get("hanse-attempts", "0")),
            request_id=headers.get("x-request-id", ""),
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
            output_tokens=usage.completion_tokens,
            first_token_seconds=first,
            seconds=time.monotonic() - begun,
            cost=hanse.get("cost"),
        )
        self.last_request_id = answer.request_id
        self._print_measures(answer)
        return answer

    def refused(self, key: str = ACME, data: str | None = None) -> Refusal:
        """Asks the question, expects an error, and prints it."""
        client = self._openai.OpenAI(base_url=self.plan.url, api_key=key)
        self._print_question(data)
        try:
            client.chat.completions.create(
                model="smollm2",
                messages=[{"role": "user", "content": QUESTION}],
                extra_headers={"Hanse-Data": data} if data else {},
            )
        except self._openai.APIStatusError as error:
            body = error.body if isinstance(error.body, dict) else {}
            message = str(body.get("message") or error.message)
            say(f"    {paint('hanse', 'yellow', 'bold')}     {type(error).__name__}, HTTP {error.status_code}")
            say(wrap(message, " " * 14))
            refusal = Refusal(
                status=error.status_code,
                code=str(body.get("code")),
                message=message,
                request_id=error.response.headers.get("x-request-id", ""),
                headers=error.response.headers,
            )
            self.last_request_id = refusal.request_id
            return refusal
        raise ClaimFailed("The request was answered, but it had to be refused.")

    def work_done(self) -> dict[str, int]:
        """Tokens that each engine says it has worked on: a witness besides the gateway."""
        return {
            site.name: tokens
            for site in self.plan.sites
            if (tokens := _engine_tokens(site)) is not None
        }

    # --- Showing ---

    def command(self, *arguments: str) -> str:
        """Runs the product's own command line and prints what it says to people."""
        say("    " + paint("$ hanse " + " ".join(arguments), "dim"))
        done = self._hanse(*arguments)
        for line in done.stdout.splitlines():
            say("      " + line)
        say()
        if done.returncode != 0:
            raise ClaimFailed(
                f"`hanse {' '.join(arguments)}` ended with status {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout

    def command_json(self, *arguments: str) -> typing.Any:
        """Runs the same for programs; prints nothing."""
        done = self._hanse(*arguments, "--json")
        if done.returncode != 0:
            raise ClaimFailed(
                f"`hanse {' '.join(arguments)} --json` ended with status {done.returncode}: "
                + done.stderr.strip()
            )
        return json.loads(done.stdout)

    def explain(self) -> typing.Any:
        """Shows the decision about the last request; returns it for programs."""
        self.command("explain", self.last_request_id)
        return self.command_json("explain", self.last_request_id)

    def claim(self, holds: bool, claim: str, found: object = None) -> None:
        """States a claim, or ends the walk."""
        if not holds:
            raise ClaimFailed(f"This does not hold: {claim}." + (f" Found: {found}." if found else ""))
        say("    " + paint("✓", "green") + " " + claim)

    def _hanse(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.grid.binary), *arguments, "--config", str(self.plan.config)]
        # What it prints is indented by six columns here.
        environment = os.environ | {"COLUMNS": str(WIDTH + 2)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env=environment
        )

    def _print_question(self, data: str | None) -> None:
        say("    " + paint(f"{'you':<9}", "bold") + f" {QUESTION}")
        if data:
            say(" " * 14 + paint(f"Hanse-Data: {data}", "yellow"))

    def _print_measures(self, answer: Answer) -> None:
        cached = f" ({answer.cached_tokens} cached)" if answer.cached_tokens else ""
        parts = [
            f"first token {answer.first_token_seconds * 1000:.0f} ms",
            f"{answer.prompt_tokens}{cached} + {answer.output_tokens} tokens",
            f"{answer.seconds:.1f} s",
        ]
        if answer.cost:
            parts.append(f"{answer.cost['currency']} {answer.cost['amount']}")
        say(" " * 14 + paint(" · ".join(parts), "dim"))
        say()


def _engine_tokens(site: layout.Site) -> int | None:
    """Prompt and output tokens that an engine has worked on; None if it is down."""
    connection = http.client.HTTPConnection(site.host, site.port, timeout=2.0)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    names = "prompt_tokens_total|prompt_tokens_cached_total|tokens_predicted_total"
    return sum(int(float(n)) for n in re.findall(rf"^llamacpp:(?:{names}) (\S+)$", text, re.MULTILINE))


# --- The steps ---------------------------------------------------------------


def ordinary(walk: Walk) -> None:
    """Nothing is said about the data."""
    answer = walk.ask()
    record = walk.explain()
    walk.claim(answer.site == "ashburn", "ashburn answered: permitted, and the cheapest", answer.site)
    walk.claim(answer.attempts == 1, "the first attempt succeeded", answer.attempts)
    walk.claim(bool(answer.request_id), "the answer carries a request id of ours")
    _claim_whole(walk, answer)
    attempt = record["attempts"][0]
    both = "first_token_ns" in attempt["predicted"] and "first_token_ns" in attempt["measured"]
    walk.claim(both, "the time to the first token was predicted, and measured")
    walk.claim(bool(answer.cost), "the answer carries its price")


def personal(walk: Walk) -> None:
    """The same request about people in the EU."""
    answer = walk.ask(data=PERSONAL)
    record = walk.explain()
    walk.claim(answer.site == "hamburg", "hamburg answered", answer.site)
    _claim_whole(walk, answer)
    for site, rule in (
        ("ashburn", "eu-personal-stays-in-the-eu"),
        ("frankfurt", "eu-personal-out-of-foreign-reach"),
    ):
        refusals = _site(record, site).get("refusals", [])
        found = [refusal["rule"] for refusal in refusals if refusal["facts"]]
        walk.claim(rule in found, f"{site} was refused by {rule}", ", ".join(found) or "no refusal")


def engine_lost(walk: Walk) -> None:
    """hamburg's engine is killed, and the client notices nothing."""
    say("    " + paint("$ kill -9 hamburg's engine", "dim"))
    say()
    walk.grid.kill("hamburg")
    answer = walk.ask(data=PERSONAL)
    record = walk.explain()
    walk.claim(answer.site == "lyon", "lyon answered, which is lawful too", answer.site)
    _claim_whole(walk, answer)
    verdict = _site(record, "hamburg")["verdict"]
    told = {"failed": "the attempt at hamburg failed", "circuit_open": "hamburg was known to be down"}
    walk.claim(verdict in told, f"the record says why not hamburg: {told.get(verdict)}", verdict)


def nobody_may(walk: Walk) -> None:
    """No site may serve it."""
    before = walk.work_done()
    refusal = walk.refused(data=PERSONAL_HEALTH)
    say()
    record = walk.explain()
    walk.claim(refusal.status == 403, "the client got 403", refusal.status)
    walk.claim("health-needs-hds" in refusal.message, "the error names the rule that stood in the way")
    walk.claim(not record["attempts"], "the record shows no attempt", record["attempts"])
    _claim_untouched(walk, before)


def out_of_budget(walk: Walk) -> None:
    """The tenant has no money left."""
    before = walk.work_done()
    refusal = walk.refused(key=SMALLSHOP)
    say()
    walk.claim(refusal.status == 429, "the client got 429", refusal.status)
    walk.claim(refusal.code == "insufficient_quota", "the code is insufficient_quota", refusal.code)
    walk.claim(
        refusal.headers.get("x-should-retry") == "false", "the client was told that a retry cannot help"
    )
    _claim_untouched(walk, before)


def books(walk: Walk) -> None:
    """What everybody owes."""
    walk.command("books", "balance")
    walk.command("books", "verify")
    walk.claim(True, "the books balance, and the journal alone says so")


def _site(record: typing.Any, name: str) -> typing.Any:
    """What a record says about one site."""
    for site in record["sites"]:
        if site["site"] == name:
            return site
    raise ClaimFailed(f"The record does not mention {name}.")


def _claim_whole(walk: Walk, answer: Answer) -> None:
    whole = bool(answer.text) and answer.finish_reason in ("stop", "length")
    walk.claim(whole, "the answer is whole", answer.finish_reason or "no finish reason")


def _claim_untouched(walk: Walk, before: dict[str, int]) -> None:
    walk.claim(walk.work_done() == before, "no engine worked on it, by the engines' own counters")


@dataclasses.dataclass(frozen=True)
class Step:
    """One step: what a reader should know first, and what is done."""

    title: str
    text: str
    take: Callable[[Walk], None]


STEPS = (
    Step(
        "An ordinary request",
        "Nothing is said about the data, so every site may answer, and the cheapest that is fast "
        "enough is chosen.",
        ordinary,
    ),
    Step(
        "The same request, about people in the EU",
        "ashburn stands outside the EU. frankfurt stands inside, but its owner's parent answers to "
        "another law. Place alone is not enough.",
        personal,
    ),
    Step(
        "A site disappears",
        "hamburg's engine is killed without warning. The same request must still be answered, and "
        "must stay lawful.",
        engine_lost,
    ),
    Step(
        "A request that nobody may serve",
        "Health data needs a certificate that no site here holds. Nothing may be sent anywhere.",
        nobody_may,
    ),
    Step(
        "A tenant at the end of its budget",
        "The most that the request can cost is set aside before it is sent. Here is nothing left to "
        "set aside.",
        out_of_budget,
    ),
    Step(
        "The books",
        "What the tenants owe, what the suppliers are owed, and the margin, all from the journal.",
        books,
    ),
)


def walk(grid: grid_module.Grid, check: Callable[[], None]) -> int:
    """Takes the steps; returns the exit status. `check` is called between them and may raise."""
    tour = Walk(grid)
    for number, step in enumerate(STEPS, start=1):
        say()
        say("  " + paint("─" * (WIDTH - 4), "dim"))
        say("  " + paint(f"{number}  {step.title}", "bold"))
        say(wrap(step.text, "     "))
        say()
        try:
            step.take(tour)
        except ClaimFailed as failed:
            say("    " + paint("✗", "red") + " " + paint(wrap(str(failed), "      ").lstrip(), "red"))
            _print_log(grid)
            return 1
        except tour._openai.APIError as error:
            say("    " + paint("✗", "red") + f" The request failed: {type(error).__name__}: {error}")
            _print_log(grid)
            return 1
        check()
    say()
    say("  " + paint("─" * (WIDTH - 4), "dim"))
    return 0


def _print_log(grid: grid_module.Grid) -> None:
    """Shows the gateway's last lines, where the reason probably stands."""
    log = grid.log("gateway")
    lines = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
    if lines:
        say()
        say("    " + paint("The gateway's last lines:", "dim"))
        for line in lines:
            say("      " + line)
