"""What a configuration file says about the processes of a grid."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Site:
    """A site whose engine runs on this machine."""

    name: str
    place: str
    owner: str
    host: str
    port: int
    model: str  # The name under which its engine serves the model.
    slots: int
    context_tokens: int
    price: str  # Per million prompt and output tokens, for people.


@dataclasses.dataclass(frozen=True)
class Layout:
    """The processes of one grid: an engine per site, and the gateway."""

    config: pathlib.Path
    sites: tuple[Site, ...]
    host: str
    port: int
    admin: str  # "HOST:PORT" or "unix:PATH".
    token_file: pathlib.Path | None

    @property
    def url(self) -> str:
        """Where clients of the gateway point their base URL."""
        return f"http://{self.host}:{self.port}/v1"


def read(config: pathlib.Path) -> Layout:
    """Reads the parts of a configuration that concern processes.

    The gateway is the judge of the file; here only what is needed is read, and
    what is wrong with it the gateway will say better.
    """
    config = config.resolve()
    document = tomllib.loads(config.read_text())
    gateway = document["gateway"]
    host, port = split(gateway["listen"])
    token = gateway.get("admin_token_file")
    currency = gateway.get("currency", "")
    return Layout(
        config=config,
        sites=tuple(_site(name, site, document, currency) for name, site in document["site"].items()),
        host=host,
        port=port,
        admin=gateway.get("admin", ""),
        token_file=(config.parent / token).resolve() if token else None,
    )


def split(address: str) -> tuple[str, int]:
    """Splits "HOST:PORT"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _site(name: str, site: dict, document: dict, currency: str) -> Site:
    url = urllib.parse.urlsplit(site["engine"]["url"])
    # Every engine here serves one model, so the first offer speaks for all.
    model, variants = next(iter(site["offer"].items()))
    offer = next(iter(variants.values()))
    price = offer.get("price", {})
    return Site(
        name=name,
        place=site["place"],
        owner=document["supplier"][site["supplier"]].get("name", site["supplier"]),
        host=url.hostname or "127.0.0.1",
        port=url.port or 80,
        model=offer.get("upstream_model", model),
        slots=site.get("slots", 1),
        context_tokens=document["model"][model]["context_tokens"],
        price=f"{currency} {price.get('prompt', '?')} / {price.get('output', '?')}",
    )
