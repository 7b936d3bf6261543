"""Sentences to the token ids that a bundle's text encoder was trained on."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from timbre_inference.text.normalise import normalise
from timbre_inference.text.phonemes import Phonemiser


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """`tokenizer.json` of a bundle: which phoneme is which id, and the espeak-ng voice that writes them."""

    espeak_voice: str
    symbols: dict[str, int]
    start: str = "^"
    end: str = "$"
    pad: str = "_"
    """Stands between any two symbols, as Piper and VITS have it: the model rests there."""

    @staticmethod
    def read(path: Path) -> SymbolTable:
        """Parses the file; ValueError says what is wrong with it."""
        return TypeAdapter(SymbolTable).validate_json(path.read_bytes())

    def write(self, path: Path) -> None:
        """Writes the file so that `read` gives the table back."""
        path.write_bytes(TypeAdapter(SymbolTable).dump_json(self, indent=1) + b"\n")


class Tokenizer:
    """Thread-safe; a sentence always gets the same ids."""

    def __init__(self, table: SymbolTable) -> None:
        self.table = table
        self._phonemiser = Phonemiser(table.espeak_voice)

    def encode(self, sentence: str) -> list[int]:
        """Token ids of a sentence, or an empty list where it holds nothing that can be spoken."""
        return self.encode_phonemes(self._phonemiser.phonemes(_latin_only(normalise(sentence))))

    def encode_phonemes(self, phonemes: str) -> list[int]:
        """Token ids of IPA; signs that the voice never learnt are left out."""
        symbols = self.table.symbols
        known = [symbols[char] for char in phonemes if char in symbols]
        if not any(char.isalpha() and char in symbols for char in phonemes):
            return []
        pad = symbols[self.table.pad]
        ids = [symbols[self.table.start], pad]
        for symbol in known:
            ids += [symbol, pad]
        return [*ids, symbols[self.table.end]]


def _latin_only(text: str) -> str:
    # espeak-ng's English voice would read other scripts as "Chinese letter, Chinese letter".
    return "".join(char for char in text if not char.isalpha() or unicodedata.name(char, "").startswith("LATIN"))
