"""lab-mini at the worker's own HTTP interface: first token, tokens a second, memory."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from llmlab.agents.prompting import developer_messages

ROUNDS = 15
PROMPT_TOKENS = 300
ANSWER_TOKENS = 400
_KEY = "lab-bench-key"
_MODEL = "lab-mini"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TASK = "Write a function that counts the words of a text, and test it."
_STORIES = """\
1. As a user, I want to count the words of a text, so that I know how long it is.
   - `count_words("one two three")` returns 3.
   - `count_words("  ")` returns 0."""


def run() -> dict[str, Any]:
    """Ask a worker of its own, without a coordinator in front."""
    with tempfile.TemporaryDirectory(prefix="llmlab-bench-") as home, _worker(Path(home)) as worker:
        client, process = worker
        _first_token(client, "Wake up!")
        prompts = [_prompt(client, number) for number in range(ROUNDS)]
        cold = [_first_token(client, text) for text in prompts]
        warm = [_first_token(client, f"{prompts[-1]} {number}") for number in range(ROUNDS)]
        program = {"messages": developer_messages(_TASK, _STORIES)}
        free = [_tokens_per_second(client, program) for _ in range(ROUNDS)]
        held = [_tokens_per_second(client, _letters()) for _ in range(ROUNDS)]
        own = process.memory_info().rss
        child = sum(each.memory_info().rss for each in process.children(recursive=True))
    return {
        "model": _MODEL,
        "prompt_tokens": PROMPT_TOKENS,
        "cold_first_token_ms": _median(cold, 1000),
        "cached_prefix_first_token_ms": _median(warm, 1000),
        "tokens_per_second": _median(free, 1),
        "tokens_per_second_in_schema": _median(held, 1),
        "worker_rss_mb": round(own / 1e6),
        "model_process_rss_mb": round(child / 1e6),
        "rounds": ROUNDS,
    }


@contextlib.contextmanager
def _worker(home: Path) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    port = _free_port()
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("LLMLAB_")
    }
    environment = inherited | {
        "LLMLAB_HOME": str(home),
        "LLMLAB_API_KEY": _KEY,
        "LLMLAB_DETECT": "false",
    }
    command = [sys.executable, "-m", "llmlab.worker", "--name", "bench", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=home, stderr=subprocess.DEVNULL)
    headers = {"authorization": f"Bearer {_KEY}"}
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            _wait_for(client, process)
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            client.get("/health")
            return
        time.sleep(0.02)
    raise RuntimeError("the worker did not start")


def _prompt(client: httpx.Client, number: int) -> str:
    """A text of the wanted number of tokens (with its frame) that no prompt before begins with."""
    rng = random.Random(number)
    words = ["".join(rng.choice(_LETTERS) for _ in range(5)) for _ in range(PROMPT_TOKENS)]
    low, high = 1, len(words)
    # Counting costs a generation of one token, which would leave the text in the cache:
    # so another text of the same shape is counted.
    while low < high:
        middle = (low + high + 1) // 2
        if _prompt_tokens(client, " ".join(reversed(words[:middle]))) > PROMPT_TOKENS:
            high = middle - 1
        else:
            low = middle
    return " ".join(words[:low])


def _prompt_tokens(client: httpx.Client, text: str) -> int:
    body = _body(text, max_tokens=1, stream=False)
    answer = client.post("/v1/chat/completions", json=body)
    answer.raise_for_status()
    return int(answer.json()["usage"]["prompt_tokens"])


def _first_token(client: httpx.Client, text: str) -> float:
    began = time.perf_counter()
    for _ in _pieces(client, _body(text, max_tokens=2)):
        return time.perf_counter() - began
    raise RuntimeError("the answer had no text")


def _tokens_per_second(client: httpx.Client, request: dict[str, Any]) -> float:
    """Speed of one stream after its first token."""
    body = _body("", max_tokens=ANSWER_TOKENS) | request
    times = [time.perf_counter() for _ in _pieces(client, body)]
    return (len(times) - 1) / (times[-1] - times[0])


def _letters() -> dict[str, Any]:
    """A request whose schema of letters keeps the answer from ending: the dearest case."""
    schema = {"type": "string", "minLength": 2 * ANSWER_TOKENS}
    form = {"type": "json_schema", "json_schema": {"name": "text", "schema": schema}}
    messages = [{"role": "user", "content": "Say something"}]
    return {"messages": messages, "response_format": form}


def _pieces(client: httpx.Client, body: dict[str, Any]) -> Iterator[str]:
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line.removeprefix("data: "))["choices"]:
                    if choice["delta"].get("content"):
                        yield choice["delta"]["content"]


def _body(text: str, *, max_tokens: int, stream: bool = True) -> dict[str, Any]:
    return {
        "model": _MODEL,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": max_tokens,
        "stream": stream,
        "cache": False,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _median(values: list[float], factor: float) -> float:
    return round(statistics.median(values) * factor, 1)
