import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre_inference.text.sentences import LONGEST_SENTENCE, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        pytest.param("One. Two! Three?", ["One.", "Two!", "Three?"], id="three ends"),
        pytest.param("Dr. Smith left. He ran.", ["Dr. Smith left.", "He ran."], id="a title is no end"),
        pytest.param("J. R. Tolkien wrote.", ["J. R. Tolkien wrote."], id="initials are no ends"),
        pytest.param("It is 3.5 m long. Yes.", ["It is 3.5 m long.", "Yes."], id="a decimal point is no end"),
        pytest.param('He said "Go." Then left.', ['He said "Go.', "Then left."], id="an end inside quotes"),
        pytest.param("One line\n\nAnother", ["One line", "Another"], id="an empty line is an end"),
        pytest.param("  \n ", [], id="only space"),
    ],
)
def test_a_text_is_cut_where_a_reader_would_stop(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_a_long_sentence_is_cut_at_its_commas() -> None:
    clause = "and then they walked on for a while"
    parts = split_sentences(", ".join([clause] * 20) + ".")
    assert len(parts) > 1
    assert all(part.endswith((",", ".")) for part in parts)


@given(st.text(alphabet=st.sampled_from("abC .,!?\n\"'"), max_size=2000))
def test_no_word_is_lost_and_no_sentence_is_too_long(text: str) -> None:
    parts = split_sentences(text)
    assert all(part.strip() and len(part) <= LONGEST_SENTENCE for part in parts)
    letters = [char for char in text if char.isalpha()]
    assert [char for part in parts for char in part if char.isalpha()] == letters
