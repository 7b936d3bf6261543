"""VITS: text encoder, duration predictor, flow, vocoder, and the posterior encoder that training adds."""

from __future__ import annotations

import math

from torch import Tensor, nn

from timbre_inference.models.hifigan import HifiGan
from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.duration_predictor import DurationPredictor
from timbre_inference.models.vits.flow import Flow
from timbre_inference.models.vits.posterior_encoder import PosteriorEncoder
from timbre_inference.models.vits.text_encoder import TextEncoder


class Vits(nn.Module):
    """The parts that speak. Names of the paper's code stand in `timbre_inference.importers.vits_names`."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config)
        self.duration_predictor = DurationPredictor(config)
        self.flow = Flow(config)
        self.vocoder = HifiGan(config.vocoder)


class TrainableVits(Vits):
    """Adds the posterior encoder, which only training needs and no bundle carries."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__(config)
        self.posterior_encoder = PosteriorEncoder(config)


def scale_speaker(embedding: Tensor) -> Tensor:
    """A unit-length embedding at unit variance, as the conditioning layers want it: [batch, size] to the same."""
    return embedding * math.sqrt(embedding.shape[-1])
