"""Reads a Piper voice: a VITS exported to ONNX, whose initialisers mostly keep the names of the paper's code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from timbre_inference.importers.vits_names import our_name
from timbre_inference.models.hifigan import HifiGanConfig
from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.network import Vits

Array = npt.NDArray[np.float32]


class ImportRefusedError(ValueError):
    """The file is not a voice that this importer understands; the message says what is amiss."""


@dataclass(frozen=True, slots=True)
class PiperVoice:
    """A voice as our network and the symbols its text must be written in."""

    network: Vits
    symbols: dict[str, int]
    espeak_voice: str


def read_piper_voice(path: Path, speaker_size: int) -> PiperVoice:
    """Reads `voice.onnx` and `voice.onnx.json`; speaker conditioning is added, as layers that do nothing yet."""
    settings = json.loads(path.with_suffix(path.suffix + ".json").read_text(encoding="utf-8"))
    if settings["num_speakers"] != 1:
        raise ImportRefusedError(
            f"{path.name} has {settings['num_speakers']} speakers: only single voices are imported"
        )
    tensors = _paper_tensors(onnx.load(str(path)))
    config = VitsConfig(
        sample_rate=settings["audio"]["sample_rate"],
        symbols=settings["num_symbols"],
        speaker_size=speaker_size,
        vocoder=_vocoder_config(tensors, speaker_size),
    )
    network = Vits(config)
    blocks = len(config.vocoder.block_kernels)
    state = {our_name(name, blocks): torch.from_numpy(tensor.copy()) for name, tensor in tensors.items()}
    _add_silent_conditioning(network, state)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ImportRefusedError(
            f"{path.name} has another shape than Piper's low and medium voices: {error}"
        ) from error
    symbols = {symbol: ids[0] for symbol, ids in settings["phoneme_id_map"].items()}
    return PiperVoice(network.eval(), symbols, settings["espeak"]["voice"])


def _paper_tensors(model: onnx.ModelProto) -> dict[str, Array]:
    """The weights under the names of the paper's code, the fused ones found by the node that uses them."""
    stored = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    named = {name: array for name, array in stored.items() if re.match(r"(enc_p|dp|flow|dec)\.", name)}
    for node in model.graph.node:
        # A node's name is its module's path: a weight without a name of its own takes it from there.
        if node.op_type == "Conv" and node.input[1] not in named and node.input[1] in stored:
            named[node.name.strip("/").removesuffix("/Conv").replace("/", ".") + ".weight"] = stored[node.input[1]]
        if node.op_type == "Gather" and node.name == "/enc_p/emb/Gather":
            named["enc_p.emb.weight"] = stored[node.input[0]]
    # The exporter folded exp(-logs) of the affine step into a constant.
    named["dp.flows.0.logs"] = -np.log(stored["/dp/flows.0/Exp_output_0"])
    for name in [name for name in named if ".emb_rel_" in name]:
        named[name] = named[name][0]  # heads share their relative positions
    return {name: np.asarray(array, dtype=np.float32) for name, array in named.items()}


def _vocoder_config(tensors: dict[str, Array], speaker_size: int) -> HifiGanConfig:
    upsamples = sorted(name for name in tensors if re.fullmatch(r"dec\.ups\.\d+\.weight", name))
    kernels = tuple(tensors[name].shape[2] for name in upsamples)
    first_blocks = [tensors[f"dec.resblocks.{block}.convs.0.weight"].shape[2] for block in range(3)]
    return HifiGanConfig(
        in_channels=tensors["dec.conv_pre.weight"].shape[1],
        channels=tensors["dec.conv_pre.weight"].shape[0],
        upsample_rates=tuple(kernel // 2 for kernel in kernels),
        upsample_kernels=kernels,
        block_kernels=tuple(first_blocks),
        speaker_size=speaker_size,
    )


def _add_silent_conditioning(network: Vits, state: dict[str, Tensor]) -> None:
    for name, tensor in network.state_dict().items():
        if re.search(r"(^|\.)speaker\.(weight|bias)$", name):
            state[name] = torch.zeros_like(tensor)
