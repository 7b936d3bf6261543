import pytest
from tools.demo.judge import share_right


@pytest.mark.parametrize(
    ("expected", "heard", "share"),
    [
        pytest.param("Hello, world!", "hello world", 1.0, id="case and punctuation do not count"),
        pytest.param("one two three four", "one two four", 0.75, id="a word is missing"),
        pytest.param("one two three four", "one two tree four", 0.75, id="a word is another"),
        pytest.param("one two", "one two and more", 0.0, id="words too many count as well"),
        pytest.param("one two", "", 0.0, id="nothing was heard"),
        pytest.param("one", "quite another text altogether", 0.0, id="never below zero"),
    ],
)
def test_the_share_of_words_that_are_right(expected: str, heard: str, share: float) -> None:
    assert share_right(expected, heard) == pytest.approx(share)
