from __future__ import annotations

import pytest

from timbre_inference.playback import Playback


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([(0.0, 2.0)], [False], id="one piece cannot be late"),
        pytest.param([(0.0, 2.0), (1.0, 2.0), (3.9, 1.0)], [False, False, False], id="each comes while one plays"),
        pytest.param([(0.0, 2.0), (2.1, 1.0)], [False, True], id="the second comes after the first was heard"),
        pytest.param([(0.0, 1.0), (2.0, 1.0), (9.0, 1.0)], [False, True, False], id="a stream counts once"),
        pytest.param(
            [(5.0, 1.0), (5.1, 1.0), (6.9, 1.0)], [False, False, False], id="what came early is still playing"
        ),
    ],
)
def test_a_listener_who_ran_out_is_noticed_once(pieces: list[tuple[float, float]], expected: list[bool]) -> None:
    playback = Playback()
    assert [playback.sent(now, seconds) for now, seconds in pieces] == expected
