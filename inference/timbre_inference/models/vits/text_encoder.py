"""Text encoder: a transformer with relative positions (Shaw et al., 2018) over phonemes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.layers import ChannelNorm


class RelativeAttention(nn.Module):
    """Self-attention whose keys and values also know how far away they are, up to `window` steps."""

    def __init__(self, hidden: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window, self.size = heads, window, hidden // heads
        self.query = nn.Conv1d(hidden, hidden, 1)
        self.key = nn.Conv1d(hidden, hidden, 1)
        self.value = nn.Conv1d(hidden, hidden, 1)
        self.output = nn.Conv1d(hidden, hidden, 1)
        scale = self.size**-0.5
        self.relative_keys = nn.Parameter(torch.randn(2 * window + 1, self.size) * scale)
        self.relative_values = nn.Parameter(torch.randn(2 * window + 1, self.size) * scale)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[batch, hidden, tokens], mask [batch, 1, tokens] to [batch, hidden, tokens]."""
        query = self._heads(self.query(hidden)) * self.size**-0.5  # [batch, heads, tokens, size]
        key, value = self._heads(self.key(hidden)), self._heads(self.value(hidden))
        tokens = hidden.shape[-1]
        positions = torch.arange(tokens, device=hidden.device)
        distance = positions[None, :] - positions[:, None]  # [tokens, tokens]
        near = distance.abs() <= self.window
        index = (distance.clamp(-self.window, self.window) + self.window).expand(*query.shape[:2], -1, -1)

        by_distance = query @ self.relative_keys.T  # [batch, heads, tokens, 2 * window + 1]
        scores = query @ key.transpose(-1, -2) + by_distance.gather(-1, index) * near
        scores = scores.masked_fill((mask.unsqueeze(-1) * mask.unsqueeze(2)) == 0, -1e4)
        weights = scores.softmax(dim=-1)
        near_weights = torch.zeros_like(by_distance).scatter_add_(-1, index, weights * near)
        attended = weights @ value + near_weights @ self.relative_values  # [batch, heads, tokens, size]
        merged: Tensor = self.output(attended.transpose(2, 3).reshape(hidden.shape))
        return merged

    def _heads(self, projected: Tensor) -> Tensor:
        batch, hidden, tokens = projected.shape
        return projected.view(batch, self.heads, hidden // self.heads, tokens).transpose(2, 3)


class FeedForward(nn.Module):
    """Two convolutions over time in place of the transformer's dense layers."""

    def __init__(self, hidden: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.expand = nn.Conv1d(hidden, inner, kernel, padding=kernel // 2)
        self.contract = nn.Conv1d(inner, hidden, kernel, padding=kernel // 2)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[batch, hidden, tokens] and its mask to the same shape."""
        inner = torch.relu(self.expand(hidden * mask))
        contracted: Tensor = self.contract(inner * mask)
        return contracted * mask


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each added to its input and then normalised."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.attention = RelativeAttention(config.hidden, config.heads, config.attention_window)
        self.attention_norm = ChannelNorm(config.hidden)
        self.feed_forward = FeedForward(config.hidden, config.feed_forward, config.text_kernel)
        self.feed_forward_norm = ChannelNorm(config.hidden)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[batch, hidden, tokens] and its mask to the same shape."""
        hidden = self.attention_norm(hidden + self.attention(hidden, mask))
        normed: Tensor = self.feed_forward_norm(hidden + self.feed_forward(hidden, mask))
        return normed


class TextEncoder(nn.Module):
    """Token ids to hidden states, and to the prior's mean and log standard deviation a token."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.symbols, config.hidden)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.text_layers))
        self.project = nn.Conv1d(config.hidden, 2 * config.latent, 1)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens [batch, tokens] and mask to hidden, prior_mean and prior_log_std, each [batch, channels, tokens]."""
        embedded = self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)
        hidden = embedded.transpose(1, 2) * mask
        for layer in self.layers:
            hidden = layer(hidden, mask) * mask
        prior_mean, prior_log_std = (self.project(hidden) * mask).chunk(2, dim=1)
        return hidden, prior_mean, prior_log_std
