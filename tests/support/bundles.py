"""A bundle small enough for tests: the real architecture with random weights, a second of sound in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from timbre_inference.bundle import BundleManifest, write_manifest
from timbre_inference.models.config_io import write_config
from timbre_inference.models.ecapa import EcapaConfig, SpeakerEncoder
from timbre_inference.models.hifigan import HifiGanConfig
from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.network import Vits
from timbre_inference.models.weights import save_weights
from timbre_inference.text import SymbolTable

TINY_VITS = VitsConfig(
    symbols=64, hidden=16, latent=16, feed_forward=32, text_layers=1, flow_couplings=2, flow_layers=1,
    posterior_layers=1, duration_flows=2, speaker_size=192, vocoder=HifiGanConfig(16, 16, speaker_size=192),
)  # fmt: skip
TINY_ECAPA = EcapaConfig(channels=16, attention_channels=8, encoder_id="ecapa-tiny")
SYMBOLS = "_^$ .,;:!?'abcdefghijklmnopqrstuvwxyzæðŋɐɑɔəɚɛɜɡɪɹʃʊʌʒˈˌːθᵻ"


def tiny_network(seed: int = 0) -> Vits:
    """Random weights, but for what makes it audible and about two frames a token long."""
    torch.manual_seed(seed)
    network = Vits(TINY_VITS)
    with torch.no_grad():
        network.duration_predictor.affine.mean.fill_(-0.8)
        for layer in network.modules():
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.normal_(layer.weight, std=0.1)
        network.vocoder.last.weight.mul_(400)
    return network.eval()


def write_tiny_bundle(path: Path, seed: int = 0) -> Path:
    """Writes a whole bundle with the voices `one` (the default) and `two` into `path`."""
    (path / "voices").mkdir(parents=True)
    torch.manual_seed(seed)
    write_config(TINY_VITS, path / "vits.json")
    write_config(TINY_ECAPA, path / "ecapa.json")
    save_weights(tiny_network(seed), path / "vits.safetensors")
    save_weights(SpeakerEncoder(TINY_ECAPA).network, path / "ecapa.safetensors")
    SymbolTable("en-us", {symbol: index for index, symbol in enumerate(SYMBOLS)}).write(path / "tokenizer.json")
    random = np.random.default_rng(seed)
    voices = {name: random.standard_normal(192).astype(np.float32) for name in ("one", "two")}
    unit = {name: voice / np.linalg.norm(voice) for name, voice in voices.items()}
    save_file(unit, path / "voices/voices.safetensors")
    write_manifest(
        path,
        BundleManifest(
            format=1, name="tiny", version="0", family="vits", languages=("en",), sample_rate=TINY_VITS.sample_rate,
            encoder_id=TINY_ECAPA.encoder_id, default_voice="one", licence="CC0-1.0", files={},
        ),
    )  # fmt: skip
    return path
