"""The sizes of lab-mini and of its training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the model, in llama.cpp's terms.

    Attributes:
        vocabulary: Number of tokens; known when the tokenizer has been learnt.
        width: Size of the residual stream.
        layers: Number of blocks.
        heads: Query heads.
        kv_heads: Key and value heads.
        hidden: Width of the feed-forward part.
        context: Longest input, in tokens.
        rope_theta: Base of the rotary embedding.
        epsilon: Of the RMS norms.
    """

    vocabulary: int = 0
    width: int = 384
    layers: int = 5
    heads: int = 6
    kv_heads: int = 2
    hidden: int = 832
    context: int = 2048
    rope_theta: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Size of one head."""
        return self.width // self.heads


@dataclass(frozen=True)
class TrainConfig:
    """How it is trained.

    Attributes:
        seed: Of data and weights.
        steps: Optimizer steps; with `minutes`, only an upper bound.
        minutes: Wall-clock budget; the learning rate follows it where it is given.
        tokens: Tokens of a batch.
        row_tokens: Tokens of a row.
        long_row_tokens: Tokens of a row in the batches of long samples.
        long_every: Every how many steps such a batch comes.
        learning_rate: Peak, for all weights.
        warmup: Steps of linear warm-up.
        decay: Last share of the training in which the rate falls to zero.
        context_weight: Loss weight of tokens that are not the answer; it falls with the rate.
        loss_share: Share of the tokens whose loss is taken: the answers, and some of the context.
        checkpoint_seconds: Time between checkpoints.
        word_merges: Learnt merges of letters in the tokenizer.
    """

    seed: int = 1
    steps: int = 5400
    minutes: float | None = None
    tokens: int = 6144
    row_tokens: int = 768
    long_row_tokens: int = 1536
    long_every: int = 6
    learning_rate: float = 3e-3
    warmup: int = 40
    decay: float = 0.4
    context_weight: float = 0.1
    loss_share: float = 0.375
    checkpoint_seconds: float = 120.0
    word_merges: int = 700


RECIPES: dict[str, tuple[ModelConfig, TrainConfig]] = {
    # On two processor cores, in about 75 minutes.
    "small": (ModelConfig(), TrainConfig()),
    # On a GPU, in minutes: one layer more, and eight times the samples a step.
    "large": (ModelConfig(layers=6), TrainConfig(steps=6000, tokens=49152)),
}
