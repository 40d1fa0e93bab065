"""What the workflows want from the cluster: answers, whole or in pieces."""

from __future__ import annotations

from typing import Protocol

from llmlab.cluster.answers import Answer, AnswerStream
from llmlab.types import GenerateRequest


class Answerer(Protocol):
    """The one door to models: response cache, routing and failover are behind it."""

    async def answer(self, request: GenerateRequest, *, tenant: str, cache: bool = True) -> Answer:
        """Return the whole answer; ``cache`` false neither reads nor writes the cache.

        Raises:
            LabError: No node could answer, or the request cannot be served.
        """
        ...

    async def stream(
        self, request: GenerateRequest, *, tenant: str, cache: bool = True
    ) -> AnswerStream:
        """Return an answer while it is made; closing its chunks stops the generation.

        Raises:
            LabError: As :meth:`answer`; what fails later is raised by the chunks.
        """
        ...
