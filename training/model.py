"""The Llama architecture in PyTorch, small and plain."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.attention import attend
from training.config import ModelConfig


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        kv_width = config.kv_heads * config.head_width
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.key = nn.Linear(config.width, kv_width, bias=False)
        self.value = nn.Linear(config.width, kv_width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def forward(self, hidden: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Shapes: hidden (batch, tokens, width), mask as `additive` gives it."""
        batch, tokens, _ = hidden.shape
        shape = (batch, tokens, -1, self.config.head_width)
        query = rotate(self._halved(hidden, self.query).view(shape), rotation).transpose(1, 2)
        key = rotate(self._halved(hidden, self.key).view(shape), rotation).transpose(1, 2)
        value = self.value(hidden).view(shape).transpose(1, 2)
        repeats = self.config.heads // self.config.kv_heads
        key = key.repeat_interleave(repeats, dim=1)
        value = value.repeat_interleave(repeats, dim=1)
        mixed = attend(query, key, value, mask)
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, -1))

    def _halved(self, hidden: Tensor, layer: nn.Linear) -> Tensor:
        """What a layer gives, in each head the even places before the odd ones.

        The weights are for rotating neighbours, as GGUF's llama does; halves rotate faster.
        """
        weight = layer.weight.unflatten(0, (-1, self.config.head_width // 2, 2))
        return functional.linear(hidden, weight.transpose(1, 2).flatten(0, 2))


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.hidden, bias=False)
        self.up = nn.Linear(config.width, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Keeps the shape."""
        return self.down(functional.silu(self.gate(hidden)) * self.up(hidden))


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and around a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.feed_forward = FeedForward(config)

    def forward(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor,
        chosen: Tensor | None = None,
    ) -> Tensor:
        """Keeps the shape; (chosen, width) if only some places of the flattened rows go on."""
        hidden = hidden + self.attention(self.attention_norm(hidden), rotation, mask)
        if chosen is not None:
            hidden = hidden.flatten(0, 1)[chosen]
        return hidden + self.feed_forward(self.feed_forward_norm(hidden))


class LabMini(nn.Module):
    """The whole model; the output layer is the embedding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=config.epsilon)
        self.apply(self._initialise)

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor, chosen: Tensor | None = None
    ) -> Tensor:
        """Logits.

        Args:
            tokens: Ids, (batch, tokens).
            positions: Position of each token in its conversation, (batch, tokens).
            mask: 0 where a token may look, else -inf, (batch, 1, tokens, tokens).
            chosen: Places of the flattened rows whose logits are wanted, (chosen,); None for all.

        Returns:
            (batch, tokens, vocabulary), or (chosen, vocabulary).
        """
        rotation = rotations(self.config, positions)
        hidden = self.embedding(tokens)
        for block in self.blocks[:-1]:
            hidden = block(hidden, rotation, mask)
        hidden = self.blocks[-1](hidden, rotation, mask, chosen)
        logits: Tensor = functional.linear(self.norm(hidden), self.embedding.weight)
        return logits

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)


def rotations(config: ModelConfig, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, (batch, tokens, 1, head_width / 2)."""
    pairs = torch.arange(0, config.head_width, 2, device=positions.device)
    frequencies = config.rope_theta ** (-pairs.float() / config.head_width)
    angles = positions[:, :, None, None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotates pairs of which one is in the first half of a head, the other in the second."""
    cosine, sine = rotation
    first, second = heads.float().chunk(2, dim=-1)
    turned = torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)
    return turned.to(heads.dtype)


def branch_mask(documents: Tensor, branches: Tensor) -> Tensor:
    """Who may look at whom: earlier tokens of the own branch and of the own shared block.

    Args:
        documents: (batch, tokens); -1 is padding, which looks at padding.
        branches: (batch, tokens); 0 is the shared block.

    Returns:
        (batch, 1, tokens, tokens), True where the second last axis may see the last.
    """
    size = documents.shape[1]
    causal = torch.ones(size, size, dtype=torch.bool, device=documents.device).tril()
    same_document = documents[:, :, None] == documents[:, None, :]
    seen = branches[:, None, :]
    visible = (seen == 0) | (seen == branches[:, :, None])
    return (causal & same_document & visible)[:, None]


def additive(mask: Tensor) -> Tensor:
    """The mask as PyTorch's CPU attention takes it fastest: bfloat16, 0 or -inf."""
    zeros = torch.zeros(mask.shape, dtype=torch.bfloat16, device=mask.device)
    return zeros.masked_fill_(~mask, float("-inf"))
