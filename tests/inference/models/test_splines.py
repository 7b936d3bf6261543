import torch
from hypothesis import given
from hypothesis import strategies as st

from timbre_inference.models.vits.splines import TAIL, spline


@given(st.integers(0, 10_000))
def test_a_spline_inverted_is_undone_and_its_slopes_cancel(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    inputs = (torch.rand(50, generator=random, dtype=torch.float64) * 4 - 2) * TAIL
    widths, heights = (torch.randn(50, 10, generator=random, dtype=torch.float64) for _ in range(2))
    slopes = torch.randn(50, 9, generator=random, dtype=torch.float64)
    outputs, log_slope = spline(inputs, widths, heights, slopes, inverse=False)
    back, back_log_slope = spline(outputs, widths, heights, slopes, inverse=True)
    torch.testing.assert_close(back, inputs, atol=1e-7, rtol=0)
    torch.testing.assert_close(log_slope, -back_log_slope, atol=1e-6, rtol=0)
    outside = inputs.abs() > TAIL
    assert torch.equal(outputs[outside], inputs[outside])
