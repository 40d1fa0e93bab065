"""Runs a GGUF file in llama.cpp, greedily, for evaluation."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xllamacpp import CommonParams, Server

from llmlab.workflows.chat.tool import ToolDescription


class Engine:
    """llama.cpp on one file, in this process."""

    def __init__(self, path: Path, threads: int = 1, slots: int = 1) -> None:
        parameters = CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 2048 * slots
        parameters.n_parallel = slots
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        parameters.warmup = False
        parameters.verbosity = 0
        self._server = Server(parameters)
        # A server that is deleted before its loop has run once never stops (xllamacpp 2026.10).
        self.reply([{"role": "user", "content": "Hello"}])

    def reply(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[ToolDescription] = (),
        schema: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The assistant message that the model gives, greedily.

        Args:
            messages: The conversation so far.
            tools: Native tools.
            schema: JSON schema that the answer is held to.

        Raises:
            RuntimeError: The engine answers with an error.
        """
        request: dict[str, Any] = {
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": 800,
            "cache_prompt": True,
        }
        if tools:
            request["tools"] = [_native(tool) for tool in tools]
        if schema is not None:
            request["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
        answer = self._server.handle_chat_completions(request)
        if "choices" not in answer:
            raise RuntimeError(f"the engine answers {answer}")
        message: dict[str, Any] = answer["choices"][0]["message"]
        return message

    def prompt(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[ToolDescription] = ()
    ) -> str:
        """The prompt that llama.cpp makes of a conversation with the file's chat template."""
        body: dict[str, Any] = {"messages": list(messages)}
        if tools:
            body["tools"] = [_native(tool) for tool in tools]
        return str(self._post("/apply-template", body)["prompt"])

    def tokens(self, text: str) -> list[int]:
        """The tokens that llama.cpp makes of a text."""
        body = {"content": text, "parse_special": True}
        return [int(token) for token in self._post("/tokenize", body)["tokens"]]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._server.listening_address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            parsed: dict[str, Any] = json.load(answer)
        return parsed


def _native(tool: ToolDescription) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}
