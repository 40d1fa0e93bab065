"""Attention with a backward pass for CPUs, where PyTorch's own takes most of a training step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Queries that are taken at once: few enough that what they may not see is mostly passed over.
_CHUNK = 256


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Scaled dot-product attention, causal.

    Args:
        query: (batch, heads, tokens, head_width); key and value are alike.
        key: See `query`.
        value: See `query`.
        mask: Added to the scores, (batch, 1, tokens, tokens); -inf at all later tokens.
    """
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    mixed: Tensor = _Chunked.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
    return mixed


class _Chunked(torch.autograd.Function):
    """PyTorch's flash attention forwards; backwards, chunks of queries over what they may see."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        # PyTorch's public function keeps the sums, which the way back needs, to itself.
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001
        mixed, log_sums = flash(query, key, value, attn_mask=mask)
        ctx.save_for_backward(query, key, value, mask, mixed, log_sums)
        return mixed  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, mixed, log_sums = ctx.saved_tensors
        (gradient,) = gradients
        scale = query.shape[-1] ** -0.5
        through = (gradient.float() * mixed.float()).sum(-1, keepdim=True)
        to_query = []
        to_key, to_value = (torch.zeros_like(key, dtype=torch.float32) for _ in range(2))
        for start in range(0, query.shape[2], _CHUNK):
            end = min(start + _CHUNK, query.shape[2])
            asking, flowing = query[:, :, start:end], gradient[:, :, start:end]
            keys, values = key[:, :, :end], value[:, :, :end]
            scores = (asking @ keys.mT).float() * scale + mask[:, :, start:end, :end].float()
            shares = torch.exp(scores - log_sums[:, :, start:end, None])
            to_shares = (flowing @ values.mT).float() - through[:, :, start:end]
            to_scores = (shares * to_shares * scale).to(query.dtype)
            to_query.append(to_scores @ keys)
            to_key[:, :, :end] += (to_scores.mT @ asking).float()
            to_value[:, :, :end] += (shares.to(query.dtype).mT @ flowing).float()
        return torch.cat(to_query, 2), to_key.to(key.dtype), to_value.to(value.dtype), None
