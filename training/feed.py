"""Hands the loop the rows of each step, made ahead by processes of their own where that helps.

Making a step's rows takes a processor core about 0.04 s in the small recipe and 0.2 s in the large
one: little beside a step on processors, but a GPU would wait for it most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.config import TrainConfig
from training.packing import Rows, step_rows
from training.tokenizer import Vocabulary

_AHEAD = 4
# A process that has made nothing for so long never will.
_DEADLINE_SECONDS = 300.0


class _Steps(Dataset[dict[str, Tensor]]):
    """The rows by the number of their step.

    As tensors they come over in shared memory. Arrays would fill the pipe, and a worker whose run
    was killed would wait for ever to be rid of them.
    """

    def __init__(self, vocabulary: Vocabulary, config: TrainConfig) -> None:
        self._vocabulary = vocabulary
        self._config = config

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        return tensors(step_rows(self._vocabulary, self._config, step))


def feed(
    vocabulary: Vocabulary, config: TrainConfig, first: int, workers: int = 0
) -> Iterator[dict[str, Tensor]]:
    """The rows of the steps from `first` on, in order, the same with any number of workers.

    Args:
        vocabulary: The tokenizer.
        config: How many steps there are, and what they hold.
        first: The step to begin with.
        workers: Processes that make rows ahead; 0 makes them when they are asked for.

    Raises:
        RuntimeError: A worker died, or made nothing for five minutes.
    """
    loader = DataLoader(
        _Steps(vocabulary, config),
        batch_size=None,
        sampler=range(first, config.steps),
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        # A fork would take the threads' locks and the GPU's state along.
        multiprocessing_context="spawn" if workers else None,
        timeout=_DEADLINE_SECONDS if workers else 0,
    )
    rows: Iterator[dict[str, Tensor]] = iter(loader)
    return rows


def tensors(rows: Rows) -> dict[str, Tensor]:
    """The arrays of rows as tensors that share their memory, by the names they have in `Rows`."""
    return {name: torch.from_numpy(array) for name, array in vars(rows).items()}
