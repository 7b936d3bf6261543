from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.bundles import SYMBOLS
from timbre_inference.text import SymbolTable, Tokenizer
from timbre_inference.text.phonemes import Phonemiser

TABLE = SymbolTable("en-us", {symbol: index for index, symbol in enumerate(SYMBOLS)})


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Hello, world.", "həlˈoʊ, wˈɜːld."),
        ("It is 3.5 percent; at 10:30.", "ɪɾ ɪz θɹˈiː pɔɪnt fˈaɪv pɚsˈɛnt; æt tˈɛn θˈɜːɾi."),
        ("Really?!", "ɹˈiəli?"),
        ("...", ""),
    ],
)
def test_espeak_reads_clauses_and_punctuation_stays(text: str, phonemes: str) -> None:
    assert Phonemiser("en-us").phonemes(text) == phonemes


def test_ids_rest_between_any_two_symbols_and_stand_between_start_and_end() -> None:
    ids = Tokenizer(TABLE).encode("Hello.")
    assert (ids[0], ids[-1]) == (TABLE.symbols["^"], TABLE.symbols["$"])
    assert set(ids[1:-1:2]) == {TABLE.symbols["_"]}


@pytest.mark.parametrize("text", ["", "   ", "...", "你好", "!?", "🙂"])
def test_what_cannot_be_spoken_has_no_tokens(text: str) -> None:
    assert Tokenizer(TABLE).encode(text) == []


def test_threads_get_the_same_ids_as_one_after_another() -> None:
    tokenizer = Tokenizer(TABLE)
    sentences = [f"Sentence number {number} of many." for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tokenizer.encode, sentences)) == [tokenizer.encode(sentence) for sentence in sentences]


def test_a_symbol_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    TABLE.write(tmp_path / "tokenizer.json")
    assert SymbolTable.read(tmp_path / "tokenizer.json") == TABLE
