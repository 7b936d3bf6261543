"""Weights between safetensors files and modules."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class WeightsError(ValueError):
    """The file's tensors are not those of the module."""


def load_weights(module: nn.Module, path: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Gives a module its weights, converted to `dtype`, and leaves it frozen in eval mode."""
    tensors = {name: _cast(tensor, dtype).to(device) for name, tensor in load_file(path).items()}
    expected = module.state_dict()
    wrong = sorted(
        name for name, tensor in expected.items() if name not in tensors or tensors[name].shape != tensor.shape
    )
    unknown = sorted(tensors.keys() - expected.keys())
    if wrong or unknown:
        detail = f"missing or misshapen: {', '.join(wrong[:3])}" if wrong else f"unknown: {', '.join(unknown[:3])}"
        raise WeightsError(f"{path.name} holds other tensors than its configuration asks for ({detail})")
    module.load_state_dict(tensors, strict=True, assign=True)
    module.eval().requires_grad_(False)


def save_weights(module: nn.Module, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes a module's weights, floating ones as `dtype`."""
    state = {name: _cast(tensor.detach().cpu(), dtype).contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, path)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
