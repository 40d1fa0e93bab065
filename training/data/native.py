"""Native tool calls: the chat template lists the tools, the model answers with calls."""

from __future__ import annotations

import json
from collections.abc import Sequence

from llmlab.workflows.chat.tool import ToolDescription
from training.data import answers
from training.data.phrasing import Source
from training.data.plans import Bench, draw_bench, draw_request
from training.data.sample import Request, Sample, Step
from training.data.words import Words


def native_batch(source: Source, words: Words, size: int) -> list[Sample]:
    """Samples over one list of native tools: calls, and answers from their results."""
    bench = _short(draw_bench(source, words))
    names = {tool.name for tool in bench.tools}
    samples: list[Sample] = []
    while len(samples) < size:
        request = draw_request(source, words, bench)
        if len(request.steps) == 1 and request.steps[0].tool in names:
            samples.append(call_sample(request, bench.tools))
            if request.steps[0].tool == "calculator":
                samples.append(_result_sample(source, request, bench.tools))
        elif source.chance(0.15) or not bench.offered:
            samples.append(_plain_sample(source, words, bench.tools))
    return samples


def _short(bench: Bench) -> Bench:
    """The first few tools, as native calls are mostly used with few."""
    tools = bench.tools[:5]
    names = {tool.name for tool in tools}
    return Bench(tools, [one for one in bench.offered if one.tool.name in names])


def call_text(step: Step) -> str:
    """A call as the model writes it (the form of the Hermes models)."""
    call = json.dumps({"name": step.tool, "arguments": step.args}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def call_sample(request: Request, tools: Sequence[ToolDescription]) -> Sample:
    """A request and the native call that it needs."""
    messages = _messages(request)
    return Sample("native-call", messages, call_text(request.steps[0]), tuple(tools))


def _result_sample(source: Source, request: Request, tools: Sequence[ToolDescription]) -> Sample:
    output, sentence = answers.number_outcome(source, request.steps[0], [])
    messages = [
        *_messages(request),
        {"role": "assistant", "content": call_text(request.steps[0])},
        {"role": "tool", "content": output},
    ]
    return Sample("native-answer", messages, sentence, tuple(tools))


def _plain_sample(source: Source, words: Words, tools: Sequence[ToolDescription]) -> Sample:
    plain = answers.chat_sample(source, words)
    while plain.kind == "chat-honest" or plain.messages[0]["role"] == "system":
        plain = answers.chat_sample(source, words)
    return Sample("native-plain", plain.messages, plain.answer, tuple(tools))


def _messages(request: Request) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = []
    for asked, said in request.history:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return [*messages, {"role": "user", "content": request.message}]
