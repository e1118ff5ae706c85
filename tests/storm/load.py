"""The clients of a storm: they ask without a pause, and remember what they were told.

A client asks for a chat or a text completion, as a stream or whole, as one of
four tenants. Some leave in the middle; after a failure most ask the same again,
word for word, as official clients do. One tenant gives each question an
Idempotency-Key: its clients come back when they have left, ask now and then for
an answer that they have, and sometimes twice at once. Every ask has a trace of
its own, by which engines and records can tell whose it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import random
import re
import threading
from decimal import Decimal

# Keys by tenant, in render() of grid.py and in config/four-sites.toml.
KEYS = {
    "acme": "hk-demo-acme-000000000000",
    "smallshop": "hk-demo-smallshop-0000000",
    "guild": "hk-storm-guild-0000000000",
    "club": "hk-storm-club-00000000000",
}
# The tenant whose requests carry an Idempotency-Key.
KEYED = "club"
# Nothing takes longer: past it the gateway has hung.
HUNG_SECONDS = 30.0
RETRIES = 2

TOKEN = re.compile(r'"(?:content|text)": ?"((?:w\d+ )+)"')
INDEX = re.compile(r'"index": ?(\d+)')


@dataclasses.dataclass(slots=True)
class Ask:
    """One request of a client, and what became of it."""

    trace: str
    tenant: str
    chat: bool
    streamed: bool
    tokens: int  # of each choice
    choices: int = 1
    leaves_after: int | None = None  # Tokens of a stream; of a whole answer, any.
    retry: bool = False
    key: str = ""  # Its Idempotency-Key.
    replayed: bool = False  # Told what another ask with the same key has begun.
    # Odd while the gateway is down; changes when it is killed and when it is back.
    era_begun: int = 0
    era_ended: int = 0
    # What became of it: "whole", "error" (told), "cut", "left", "hung", "wrong".
    outcome: str = ""
    why: str = ""  # The error's code, or what is wrong with the answer.
    request_id: str = ""
    delivered: int = 0  # Tokens that the client has, of all choices.
    cost_nano: int = 0  # As the client was told.
    prompt: int = 0
    output: int = 0
    rescue: str = ""

    @property
    def gateway_was_there(self) -> bool:
        """Whether one gateway lived from before the ask to its end."""
        return self.era_begun == self.era_ended and self.era_begun % 2 == 0


class Load:
    """All clients, on threads of their own."""

    def __init__(
        self, address: tuple[str, int], clients: int, seed: int, leave: float = 0.08, patience: float = 0.0
    ) -> None:
        self.era = 0
        self.up = threading.Event()
        self.up.set()
        self._address = address
        self._leave = leave  # The part of clients that leave.
        self._patience = patience  # Seconds that a client waits after an error.
        self._guard = threading.Lock()
        self._ended: list[Ask] = []
        self._under_way = 0
        self.answers = 0
        self.asked = 0
        self._going = threading.Event()
        self._going.set()
        self._over = False
        self._ending = threading.Event()
        self._failures: list[BaseException] = []
        seeds = random.Random(seed)
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seeds.random()),), daemon=True)
            for _ in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """Lets no client ask anew."""
        self._going.clear()

    def resume(self) -> None:
        """Lets them ask again."""
        self._going.set()

    def quiet(self) -> bool:
        """Whether no client waits for anything."""
        if self._failures:
            raise AssertionError(f"a client failed: {self._failures[0]!r}") from self._failures[0]
        with self._guard:
            return self._under_way == 0

    def end(self) -> None:
        """Ends all clients; what is under way ends first."""
        self._over = True
        self._ending.set()
        self._going.set()
        self.up.set()
        for thread in self._threads:
            thread.join(HUNG_SECONDS + 5)

    def take(self) -> list[Ask]:
        """The asks that have ended since the last time."""
        with self._guard:
            ended, self._ended = self._ended, []
        return ended

    def _run(self, chance: random.Random) -> None:
        try:
            while not self._over:
                if not self._going.wait(0.5):
                    continue
                with self._guard:
                    self._under_way += 1
                try:
                    if self._going.is_set():
                        self._ask_until_answered(self._draw(chance), chance)
                finally:
                    with self._guard:
                        self._under_way -= 1
        except BaseException as failure:  # noqa: BLE001 - told by quiet().
            self._failures.append(failure)

    def _draw(self, chance: random.Random) -> Ask:
        streamed = chance.random() < 0.7
        tokens = chance.choice([1, 5, 40, 80, 120, 255, 256, 257, 400])
        tenant = chance.choice(list(KEYS))
        return Ask(
            key=f"{chance.getrandbits(64):x}" if tenant == KEYED else "",
            trace=f"{chance.getrandbits(128):032x}",
            tenant=tenant,
            chat=chance.random() < 0.7,
            streamed=streamed,
            tokens=tokens,
            choices=2 if chance.random() < 0.05 else 1,
            leaves_after=chance.randrange(tokens) if chance.random() < self._leave else None,
        )

    def _ask_until_answered(self, ask: Ask, chance: random.Random) -> None:
        first = ask
        for time in range(1, 2 + RETRIES):
            twin = None
            if ask.key and chance.random() < 0.2:
                twin = threading.Thread(target=self._ask_once, args=(same(first, 16 + time),), daemon=True)
                twin.start()
            self._ask_once(ask)
            if twin is not None:
                twin.join()
            wants_more = ask.outcome in ("error", "cut")
            if ask.key:
                wants_more = wants_more or ask.outcome == "left" or chance.random() < 0.3
            if not wants_more or not self._going.is_set():
                return
            self._ending.wait(self._patience)
            # Who comes back stays.
            again = same(first, time)
            again.leaves_after = None if ask.key and ask.outcome == "left" else ask.leaves_after
            again.retry = ask.outcome in ("error", "cut")
            ask = again

    def _ask_once(self, ask: Ask) -> None:
        try:
            self.up.wait(HUNG_SECONDS)
            ask.era_begun = self.era
            self._ask(ask)
            ask.era_ended = self.era
        except BaseException as failure:  # noqa: BLE001 - told by quiet().
            self._failures.append(failure)
            return
        with self._guard:
            self._ended.append(ask)
            self.asked += 1
            self.answers += ask.outcome == "whole"

    def _ask(self, ask: Ask) -> None:
        said = f"tokens {ask.tokens}"
        question = {"messages": [{"role": "user", "content": said}]} if ask.chat else {"prompt": said + "\n"}
        body = {"model": "smollm2", "max_tokens": ask.tokens, "temperature": 0, **question}
        if ask.choices > 1:
            body["n"] = ask.choices
        if ask.streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {
            "Authorization": f"Bearer {KEYS[ask.tenant]}",
            "Content-Type": "application/json",
            "traceparent": f"00-{ask.trace}-00f067aa0ba902b7-01",
        }
        if ask.key:
            headers["Idempotency-Key"] = ask.key
        path = "/v1/chat/completions" if ask.chat else "/v1/completions"
        connection = http.client.HTTPConnection(*self._address, timeout=HUNG_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("POST", path, json.dumps(body), headers)
                if ask.leaves_after is not None and not ask.streamed:
                    # Leaves before the reply, after a time that the engine decides.
                    connection.sock.settimeout(0.001 + ask.leaves_after / 20_000)
                reply = connection.getresponse()
                ask.request_id = reply.headers.get("x-request-id") or ""
                ask.replayed = reply.headers.get("idempotent-replayed") == "true"
                self._read(ask, reply)
            except TimeoutError:
                ask.outcome = "left" if ask.leaves_after is not None and not ask.streamed else "hung"
            except (OSError, http.client.HTTPException) as error:
                ask.outcome, ask.why = "cut", type(error).__name__

    def _read(self, ask: Ask, reply: http.client.HTTPResponse) -> None:
        text, tail = [], ""
        try:
            while part := reply.read1(1 << 16):
                text.append(part.decode())
                if ask.streamed and reply.status == 200:
                    # An event may be split between two parts.
                    block = tail + text[-1]
                    cut = block.rfind("\n\n") + 2 if "\n\n" in block else 0
                    ask.delivered += len(TOKEN.findall(block[:cut]))
                    tail = block[cut:]
                    if ask.leaves_after is not None and ask.delivered >= max(1, ask.leaves_after):
                        ask.outcome = "left"
                        return
        except http.client.IncompleteRead as error:
            text.append(error.partial.decode(errors="replace"))
            raise
        judge(ask, reply.status, "".join(text))


def same(ask: Ask, time: int) -> Ask:
    """The same question once more; only the span that the client opens for it is new."""
    fields = ("tenant", "chat", "streamed", "tokens", "choices", "leaves_after", "key")
    return Ask(trace=f"{int(ask.trace, 16) ^ (time << 64):032x}", **{name: getattr(ask, name) for name in fields})


def judge(ask: Ask, status: int, text: str) -> None:
    """What a reply that came to its end as HTTP understands it was."""
    if status != 200:
        ask.outcome, ask.why = "error", json.loads(text)["error"]["code"]
        return
    if not ask.streamed:
        whole = json.loads(text)
        said = [(choice.get("message") or {}).get("content") or choice.get("text") for choice in whole["choices"]]
        finishes = [choice["finish_reason"] for choice in whole["choices"]]
        ask.delivered = ask.tokens * len(said)
        _judge_answer(ask, said, finishes, whole)
        return
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    if events and '"error"' in events[-1]:
        ask.outcome, ask.why = "error", json.loads(events[-1])["error"]["code"]
        if "[DONE]" in events:
            ask.outcome, ask.why = "wrong", "[DONE] and an error"
        return
    if not events or events[-1] != "[DONE]":
        ask.outcome, ask.why = "wrong", "a clean end without [DONE] and without an error"
        return
    said, finishes = [""] * ask.choices, []
    report: dict = {}
    for event in events[:-1]:
        chunk = json.loads(event)
        report = chunk if chunk.get("usage") else report
        for choice in chunk["choices"]:
            said[choice["index"]] += (choice.get("delta") or {}).get("content") or choice.get("text") or ""
            if choice["finish_reason"]:
                finishes.append(choice["finish_reason"])
    _judge_answer(ask, said, finishes, report)


def _judge_answer(ask: Ask, said: list[str], finishes: list[str], report: dict) -> None:
    expected = "".join(f"w{token} " for token in range(ask.tokens))
    ask.outcome = "whole"
    if said != [expected] * ask.choices:
        ask.outcome, ask.why = "wrong", f"text of {[len(text.split()) for text in said]} words for {ask.tokens}"
    elif len(finishes) != ask.choices:
        ask.outcome, ask.why = "wrong", f"finishes {finishes}"
    elif not report.get("usage"):
        ask.outcome, ask.why = "wrong", "no usage"
    if ask.outcome == "wrong":
        return
    hanse = report["hanse"]
    ask.cost_nano = int(Decimal(hanse["cost"]["amount"]) * 10**9)
    ask.rescue = hanse.get("rescue", "")
    ask.prompt, ask.output = report["usage"]["prompt_tokens"], report["usage"]["completion_tokens"]
    if ask.request_id != hanse["request_id"]:
        ask.outcome, ask.why = "wrong", "two ids"
