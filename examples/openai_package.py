"""Asks a running lab with the official ``openai`` package: `pip install openai` first.

Run it as ``OPENAI_API_KEY=$(llmlab key) python examples/openai_package.py``.
"""

from __future__ import annotations

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ["OPENAI_API_KEY"],
)
stream = client.chat.completions.create(
    model="lab-mini",
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
