"""Writes a trained voice as a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from timbre_inference.bundle import VOICES, BundleManifest, write_manifest
from timbre_inference.importers.piper import PiperVoice
from timbre_inference.models.config_io import write_config
from timbre_inference.models.ecapa import SpeakerEncoder
from timbre_inference.models.vits.network import TrainableVits, Vits
from timbre_inference.models.weights import save_weights
from timbre_inference.text import SymbolTable
from timbre_inference.train.checkpoint import CheckpointError, load_checkpoint
from timbre_inference.train.voice_run import VoiceRun


def write_bundle(
    folder: Path,
    manifest: BundleManifest,
    network: Vits,
    encoder: SpeakerEncoder,
    symbols: SymbolTable,
    voices: Mapping[str, Tensor],
    card: str,
) -> BundleManifest:
    """Writes weights in half precision, configurations, voices and the model card; the manifest comes last."""
    (folder / VOICES).parent.mkdir(parents=True, exist_ok=True)
    speaking = Vits(network.config)  # without what only training needs
    speaking.load_state_dict({name: network.state_dict()[name] for name in speaking.state_dict()})
    write_config(network.config, folder / "vits.json")
    write_config(encoder.config, folder / "ecapa.json")
    save_weights(speaking, folder / "vits.safetensors", torch.float16)
    save_weights(encoder.network, folder / "ecapa.safetensors", torch.float16)
    symbols.write(folder / "tokenizer.json")
    save_file({name: voice.contiguous() for name, voice in voices.items()}, folder / VOICES)
    (folder / "README.md").write_text(card, encoding="utf-8")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # written for their owner alone, but a server runs as somebody else
    return write_manifest(folder, manifest)


def export_warm_start(
    warm_start: PiperVoice, encoder: SpeakerEncoder, manifest_file: Path, card: Path, output: Path
) -> BundleManifest:
    """Exports a voice that no training has touched: its conditioning hears nothing yet."""
    manifest = BundleManifest.model_validate_json(manifest_file.read_bytes())
    own = torch.nn.functional.normalize(torch.ones(encoder.config.embedding_size), dim=0)
    symbols = SymbolTable(warm_start.espeak_voice, warm_start.symbols)
    voices = {manifest.default_voice: own}
    return write_bundle(
        output, manifest, warm_start.network, encoder, symbols, voices, card.read_text(encoding="utf-8")
    )


def export_run(
    run: VoiceRun, manifest_file: Path, card: Path, speakers: Mapping[str, str], output: Path
) -> BundleManifest:
    """Exports the averaged weights of a run's newest checkpoint; `speakers` maps bundle voices to corpus speakers."""
    network = TrainableVits(run.warm_start.network.config)
    average = torch.optim.swa_utils.AveragedModel(network)
    if load_checkpoint(run.folder / "last.pt", {"average": average}) == 0:
        raise CheckpointError(f"{run.folder} holds no checkpoint yet")
    network.load_state_dict(average.module.state_dict())
    manifest = BundleManifest.model_validate_json(manifest_file.read_bytes())
    voices = {manifest.default_voice: run.teacher_embedding()}
    voices |= {name: mean_embedding(run, speaker) for name, speaker in speakers.items()}
    return write_bundle(output, manifest, network, run.encoder, run.symbols, voices, card.read_text(encoding="utf-8"))


def mean_embedding(run: VoiceRun, speaker: str, clips: int = 20) -> Tensor:
    """A corpus speaker as the encoder hears them, over their first clips: of length one."""
    found = [clip for clip in run.corpus.clips if clip.speaker == speaker][:clips]
    with torch.inference_mode():
        heard = run.encoder.encode([torch.from_numpy(run.corpus.encoder_audio(clip)) for clip in found])
    return torch.nn.functional.normalize(heard.mean(dim=0), dim=0).clone()
