import pytest

from timbre_inference.text.normalise import normalise


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("Dr. Smith met Mr. Jones.", "doctor Smith met mister Jones.", id="titles"),
        pytest.param("It cost $3.50.", "It cost 3 dollars and 50 cents.", id="dollars and cents"),
        pytest.param("He has £1 left", "He has 1 pound left", id="one of a currency"),
        pytest.param("$2 million", "2 million dollars", id="a scale comes before its currency"),
        pytest.param("$1,250", "1250 dollars", id="thousands separator"),
        pytest.param("salt & pepper", "salt and pepper", id="ampersand"),
        pytest.param("wait – what — now", "wait, what, now", id="dashes are pauses"),
        pytest.param("well-known", "well-known", id="a hyphen is not a dash"),
        pytest.param("no. 5 and no. Really", "number 5 and no. Really", id="no. is a number only before one"),
        pytest.param("a\x00b\tc\r\nd", "a b c d", id="controls become spaces"),
        pytest.param("‘quoted’ “twice”…", "'quoted' \"twice\"...", id="typographic quotes"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_written_english_is_normalised_to_what_is_read(written: str, read: str) -> None:
    assert normalise(written) == read
