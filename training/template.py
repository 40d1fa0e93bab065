"""The chat template: as Jinja for llama.cpp, and as Python for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmlab.workflows.chat.prompting import tool_line
from llmlab.workflows.chat.tool import ToolDescription

START, END = "<|im_start|>", "<|im_end|>"
CALL_START, CALL_END = "<tool_call>", "</tool_call>"
_TOOLS_INTRO = "You can call these tools:\n"
_TOOLS_OUTRO = (
    f'\nTo call one, reply with {CALL_START}{{"name": ..., "arguments": {{...}}}}{CALL_END}.'
)

CHAT_TEMPLATE = """
{%- set ns = namespace(system='', first=0) %}
{%- if messages and messages[0].role == 'system' %}
    {%- set ns.system = messages[0].content %}
    {%- set ns.first = 1 %}
{%- endif %}
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if ns.system %}{{- ns.system + '\\n\\n' }}{%- endif %}
    {{- 'You can call these tools:' }}
    {%- for tool in tools %}
        {%- set function = tool.function %}
        {{- '\\n- ' + function.name + ': ' + (function.description or '') + ' Args: {' }}
        {%- set parameters = function.parameters or {} %}
        {%- set properties = parameters.properties or {} %}
        {%- for name, schema in properties.items() %}
            {%- if not loop.first %}{{- ', ' }}{%- endif %}
            {{- name }}
            {%- if parameters.required is defined and name not in parameters.required %}
                {{- '?' }}
            {%- endif %}
            {{- ': ' }}
            {%- if schema.enum %}
                {%- for choice in schema.enum %}
                    {%- if not loop.first %}{{- ' | ' }}{%- endif %}
                    {{- choice | tojson }}
                {%- endfor %}
            {%- else %}
                {{- schema.type if schema.type is string else 'any' }}
            {%- endif %}
        {%- endfor %}
        {{- '}' }}
    {%- endfor %}
    {{- '\\nTo call one, reply with <tool_call>{"name": ..., "arguments": {...}}</tool_call>.' }}
    {{- '<|im_end|>\\n' }}
{%- elif ns.system %}
    {{- '<|im_start|>system\\n' + ns.system + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages[ns.first:] %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.content %}{{- message.content }}{%- endif %}
    {%- for call in message.tool_calls or [] %}
        {%- set function = call.function or call %}
        {%- if not loop.first or message.content %}{{- '\\n' }}{%- endif %}
        {{- '<tool_call>\\n{"name": "' + function.name + '", "arguments": ' }}
        {%- if function.arguments is string %}
            {{- function.arguments }}
        {%- else %}
            {{- function.arguments | tojson }}
        {%- endif %}
        {{- '}\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""".strip()


def render(
    messages: Sequence[Mapping[str, str]], tools: Sequence[ToolDescription] = ()
) -> tuple[str, str]:
    """Renders a prompt as the Jinja template does.

    Returns:
        The system block (shared by requests of one kind; may be empty), and all after it, up to
        where the assistant begins to write.
    """
    turns = list(messages)
    system = turns.pop(0)["content"] if turns and turns[0]["role"] == "system" else ""
    if tools:
        listed = _TOOLS_INTRO + "\n".join(map(tool_line, tools)) + _TOOLS_OUTRO
        system = f"{system}\n\n{listed}" if system else listed
    head = _block("system", system) if system else ""
    body = "".join(_block(turn["role"], turn["content"]) for turn in turns)
    return head, f"{body}{START}assistant\n"


def _block(role: str, content: str) -> str:
    return f"{START}{role}\n{content}{END}\n"
