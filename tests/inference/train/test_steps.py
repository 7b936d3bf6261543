"""What training rests on: alignment, checkpoints, pauses."""

from pathlib import Path

import pytest
import torch

from timbre_inference.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from timbre_inference.train.discriminators import DiscriminatorConfig, Discriminators, discriminator_loss
from timbre_inference.train.spectrogram import Spectrograms
from timbre_inference.train.transcribe import Word, cut_at_pauses
from timbre_inference.train.voice import align


def test_alignment_finds_the_durations_that_made_the_frames() -> None:
    torch.manual_seed(0)
    durations = torch.tensor([3, 1, 5, 2])
    means = torch.randn(1, 8, 4) * 3
    frames = means.repeat_interleave(durations, dim=2) + 0.1 * torch.randn(1, 8, 11)
    path = align(frames, means, torch.zeros(1, 8, 4), torch.ones(1, 1, 4), torch.ones(1, 1, 11))
    assert path.sum(dim=2).squeeze(0).tolist() == durations.tolist()


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    save_checkpoint(tmp_path / "last.pt", {"layer": layer}, 7)
    other = torch.nn.Linear(2, 2)
    assert load_checkpoint(tmp_path / "last.pt", {"layer": other}) == 7
    assert torch.equal(layer.weight, other.weight)
    assert not list(tmp_path.glob("*.partial"))


def test_no_checkpoint_is_step_nought(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "last.pt", {}) == 0


@pytest.mark.parametrize("parts", [{"layer": torch.nn.Linear(3, 2)}, {"another": torch.nn.Linear(2, 2)}])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, parts: dict[str, torch.nn.Module]) -> None:
    save_checkpoint(tmp_path / "last.pt", {"layer": torch.nn.Linear(2, 2)}, 1)
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        load_checkpoint(tmp_path / "last.pt", parts)


def test_stretches_end_at_pauses_and_hold_only_what_was_heard_well() -> None:
    def words(start: float, confidence: float) -> list[Word]:
        return [Word(f" w{i}", start + i * 0.4, start + i * 0.4 + 0.38, confidence) for i in range(5)]

    stretches = list(cut_at_pauses([*words(0.5, 0.9), *words(3.5, 0.2), *words(6.0, 0.9)], 9.0))
    assert [text for _, _, text in stretches] == ["w0 w1 w2 w3 w4"] * 2
    assert stretches[0][0] == pytest.approx(0.42)
    assert stretches[1][0] == pytest.approx(5.92)


def test_a_spectrogram_has_a_frame_for_every_hop() -> None:
    spectrograms = Spectrograms(22050, 1024, 256)
    magnitude = spectrograms.magnitude(torch.randn(2, 20 * 256))
    assert magnitude.shape == (2, 513, 20)
    assert spectrograms.log_mel(magnitude).shape == (2, 80, 20)


def test_mels_above_a_clips_own_nyquist_frequency_do_not_count() -> None:
    audible = Spectrograms(22050, 1024, 256).audible_mels(torch.tensor([16000.0, 44100.0]))
    assert 0 < audible[0].sum() < audible[1].sum() == 80


def test_discriminators_learn_to_tell_noise_from_a_tone() -> None:
    torch.manual_seed(0)
    judges = Discriminators(DiscriminatorConfig(periods=(2, 3), channels=(4, 8)))
    optimiser = torch.optim.Adam(judges.parameters(), 1e-2)
    tone, noise = torch.sin(torch.arange(1024) / 7).repeat(2, 1), torch.randn(2, 1024) * 0.5
    losses = []
    for _ in range(15):
        loss = discriminator_loss(judges(tone), judges(noise))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
