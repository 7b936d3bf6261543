"""The same sound alone and in a batch: what batching, caching and replay rest on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.bundles import TINY_ECAPA, TINY_VITS, tiny_network
from timbre_inference.models.ecapa import SpeakerEncoder
from timbre_inference.models.family import FamilyInfo
from timbre_inference.models.hifigan import HifiGan, HifiGanConfig
from timbre_inference.models.vits.family import VitsFamily
from timbre_inference.synthesis_options import SynthesisOptions

TOLERANCE = 1e-5
SHAPES = {
    "V1": HifiGanConfig(80, 32, (8, 8, 2, 2), (16, 16, 4, 4), 1, (3, 7, 11), ((1, 3, 5),) * 3),
    "V3": HifiGanConfig(80, 32, (8, 8, 4), (16, 16, 8), 2, (3, 5, 7), ((1, 2), (2, 6), (3, 12))),
}


def tiny_family() -> VitsFamily:
    info = FamilyInfo(TINY_VITS.sample_rate, TINY_VITS.hop_length, ("en",), 192, "tiny", 16000, 12)
    return VitsFamily(tiny_network(), SpeakerEncoder(TINY_ECAPA).eval(), info, torch.device("cpu"))


def embedding(seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(192, generator=torch.Generator().manual_seed(seed)), dim=0)


def tokens(seed: int, length: int) -> list[int]:
    return torch.randint(1, 60, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_a_row_sounds_the_same_alone_and_in_any_company(lengths: list[int]) -> None:
    family = tiny_family()
    rows = [tokens(index, length) for index, length in enumerate(lengths)]
    options = [SynthesisOptions(seed=index, speaking_rate=1 + index / 10) for index in range(len(rows))]
    voices = torch.stack([embedding(index) for index in range(len(rows))])
    together = family.decode(family.plan(rows, voices, options))
    for index, row in enumerate(rows):
        alone = family.decode(family.plan([row], voices[index : index + 1], [options[index]]))[0]
        assert alone.shape == together[index].shape
        torch.testing.assert_close(together[index], alone, atol=TOLERANCE, rtol=0)


def test_plans_of_different_batches_can_be_decoded_together() -> None:
    family = tiny_family()
    plans = [
        family.plan([tokens(index, length)], embedding(index).unsqueeze(0), [SynthesisOptions(seed=index)])[0]
        for index, length in enumerate((5, 40, 20))
    ]
    for plan, waveform in zip(plans, family.decode(plans), strict=True):
        assert len(waveform) == plan.frames * family.info.hop_length
        torch.testing.assert_close(waveform, family.decode([plan])[0], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_padded_vocoder_batch_equals_its_rows(shape: str) -> None:
    torch.manual_seed(0)
    vocoder = HifiGan(SHAPES[shape]).eval()
    frames = torch.randn(2, 80, 30)
    mask = torch.ones(2, 1, 30)
    mask[1, :, 17:] = 0
    with torch.inference_mode():
        padded = vocoder(frames, mask)[1, : 17 * 256]
        alone = vocoder(frames[1:, :, :17])[0]
    torch.testing.assert_close(padded, alone, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_chunk_with_its_context_equals_the_whole(shape: str) -> None:
    torch.manual_seed(0)
    vocoder, context = HifiGan(SHAPES[shape]).eval(), SHAPES[shape].context_frames
    frames = torch.randn(1, 80, 80)
    with torch.inference_mode():
        whole = vocoder(frames)[0]
        chunk = vocoder(frames[..., 30 - context : 45 + context])[0]
    torch.testing.assert_close(
        chunk[context * 256 : (context + 15) * 256], whole[30 * 256 : 45 * 256], atol=TOLERANCE, rtol=0
    )


def test_the_same_seed_says_the_same_and_another_says_it_differently() -> None:
    family, voice = tiny_family(), embedding(1).unsqueeze(0)
    first, again, other = (
        family.decode(family.plan([tokens(0, 30)], voice, [SynthesisOptions(seed=seed)]))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.allclose(first, other)


def test_the_flow_inverted_is_the_flow_undone() -> None:
    flow = tiny_network().flow
    latents, mask, speaker = torch.randn(2, 16, 20), torch.ones(2, 1, 20), torch.randn(2, 192)
    with torch.inference_mode():
        torch.testing.assert_close(
            flow.inverse(flow(latents, mask, speaker), mask, speaker), latents, atol=1e-4, rtol=0
        )


def test_a_faster_speaker_takes_less_time() -> None:
    family, voice = tiny_family(), embedding(1).unsqueeze(0)
    frames = [
        family.plan([tokens(0, 50)], voice, [SynthesisOptions(seed=1, speaking_rate=rate, duration_noise_scale=0)])[
            0
        ].frames
        for rate in (0.5, 1.0, 2.0)
    ]
    assert frames[0] > frames[1] >= frames[2]
