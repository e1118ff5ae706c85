"""Reading scenario files. README.md says what may stand in one; what else does is an error here."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import tomllib
import typing

import faults
from addresses import ADDRESSES
from answers import Model
from engine import Fault

FOLDER = pathlib.Path(__file__).parent / "scenarios"
MODES = ("stream", "whole")


@dataclasses.dataclass(frozen=True)
class Site:
    """A site that takes part; all others are retired."""

    name: str
    does: list[Fault]  # With its first request, its second, ...; the last for all that follow.
    model: Model
    kind: str = "llama.cpp"
    address: str = ""  # Where it moves before anything is asked, see addresses.py.


@dataclasses.dataclass(frozen=True)
class Expect:
    """What must come of one request; what is None is not compared."""

    outcome: str  # "whole", "error", "gone" (the client left).
    told: str | None = None  # Of an error: "status" or "event".
    status: int | None = None
    code: str | None = None
    text: str | None = None
    finish: str | None = None
    usage: dict[str, int] | None = None
    estimated: bool | None = None
    rescue: str | None = None  # "continued", "repeated", "none"; "any": as it happens to fall.
    attempts: list[str] | None = None
    asked: list[str] | None = None
    not_asked: list[str] | None = None
    continues_from: list[str] | None = None
    limits_sent: list[int] | None = None
    retry_after: list[str] | None = None
    took: list[str] | None = None
    noticed_within: str | None = None
    cancelled_within: str | None = None
    free_of_charge: bool | None = None


@dataclasses.dataclass(frozen=True)
class Ask:
    """One request of the client."""

    api: str
    parameters: dict[str, typing.Any]
    data: str
    leaves: dict[str, typing.Any]
    expects: dict[str, Expect]  # By mode.


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One file."""

    name: str
    about: str
    modes: tuple[str, ...]
    replace: list[dict[str, str]]
    model: Model
    sites: list[Site]
    asks: list[Ask]
    logs: list[str]  # What the operator must find in the log, at its default level.
    faults: set[str]  # The names that it uses.

    @property
    def waits(self) -> bool:
        """Whether most of its time is waiting."""
        times = [expect.took for ask in self.asks for expect in ask.expects.values()]
        return any(took and took[0] != "0s" for took in times)


def read_all() -> list[Scenario]:
    """All scenarios, by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.toml"))]


def read(path: pathlib.Path) -> Scenario:
    """One scenario; what is wrong with its file is said with its name."""
    try:
        return _scenario(path.stem, tomllib.loads(path.read_text()))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _scenario(name: str, file: dict) -> Scenario:
    _known(file, {"about", "modes", "replace", "model", "site", "ask", "logs"})
    modes = tuple(file.get("modes", MODES))
    model = _model(file.get("model", {}))
    used: set[str] = set()
    return Scenario(
        name=name,
        about=file["about"],
        modes=modes,
        replace=file.get("replace", []),
        model=model,
        sites=[_site(site, model, used) for site in file["site"]],
        asks=[_ask(ask, modes, model) for ask in file.get("ask", [{}])],
        logs=file.get("logs", []),
        faults=used,
    )


def _model(table: dict, otherwise: Model | None = None) -> Model:
    _known(table, {"tokens", "reasoning", "tool"})
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    return dataclasses.replace(otherwise or Model(), **told)


def _site(table: dict, model: Model, used: set[str]) -> Site:
    _known(table, {"name", "kind", "address", "does", "model"})
    address = table.get("address", "")
    if address and address not in ADDRESSES:
        raise ValueError(f"there is no address called {address!r}")
    used.add(address or "answers")
    does = []
    for step in table.get("does", ["answers"]):
        parameters = {} if isinstance(step, str) else {k: v for k, v in step.items() if k != "fault"}
        called = step if isinstance(step, str) else step["fault"]
        used.add(called)
        does.append(faults.make(called, parameters))
    return Site(table["name"], does, _model(table.get("model", {}), model), table.get("kind", "llama.cpp"), address)


def _ask(table: dict, modes: tuple[str, ...], model: Model) -> Ask:
    _known(table, {"api", "parameters", "data", "leaves", "expect"})
    expect = table.get("expect", {})
    return Ask(
        api=table.get("api", "chat"),
        parameters=table.get("parameters", {}),
        data=table.get("data", ""),
        leaves=table.get("leaves", {}),
        expects={mode: _expect(expect, mode, model) for mode in modes},
    )


def _expect(table: dict, mode: str, model: Model) -> Expect:
    told = {name: value for name, value in table.items() if name not in MODES}
    told |= table.get(mode, {})
    told.setdefault("outcome", "whole")
    if told["outcome"] == "whole":
        told.setdefault("text", "".join(model.reasoning + model.tokens))
        told.setdefault("rescue", "none")
        if "estimated" not in told:
            output = len(model.reasoning) + len(model.tokens)
            told.setdefault("usage", {"prompt": model.prompt_tokens, "output": output})
        told.setdefault("finish", "tool_calls" if model.tool else "stop")
    _known(told, {field.name for field in dataclasses.fields(Expect)})
    return Expect(**{name: value for name, value in told.items() if value != "any"})


def _known(table: dict, names: set[str]) -> None:
    if unknown := set(table) - names:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")


# --- Times -------------------------------------------------------------------

seconds = faults.seconds


def limit_of(formula: str, predicted_seconds: float) -> float:
    """A limit such as "250ms + 3 x predicted", in seconds."""
    found = re.fullmatch(r"(\S+) \+ (\d+) x predicted", formula)
    if not found:
        raise ValueError(f"not a limit: {formula!r}")
    return seconds(found[1]) + int(found[2]) * predicted_seconds
