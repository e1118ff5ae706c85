"""Requests that several tests send."""

from __future__ import annotations

import typing

import record_samples

MODEL = "smollm2"
SAY_HI: typing.Any = [{"role": "user", "content": "Say hi."}]
STORY: typing.Any = [{"role": "user", "content": "Write a long story about the sea."}]

# A prompt that makes so small a model call a tool: it has seen how, twice, and
# is pushed towards the tokens of the marker.
TOOL_QUESTION: dict[str, typing.Any] = {
    "model": MODEL,
    "messages": record_samples.TOOLS["messages"],
    "tools": record_samples.TOOLS["tools"],
    "logit_bias": record_samples.TOOLS["logit_bias"],
    "max_tokens": 60,
    "temperature": 0,
}


def endless(tokens: int) -> dict[str, typing.Any]:
    """Vendor fields that make the engine write this many tokens, whatever it would rather say."""
    return {"max_tokens": tokens, "temperature": 0, "extra_body": {"ignore_eos": True}}
