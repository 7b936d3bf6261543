"""Cuts a text into sentences: the unit that is queued, batched and streamed."""

from __future__ import annotations

import re

LONGEST_SENTENCE = 300
"""Characters; about 20 s of speech. A longer one is cut at its commas, then at words, so that no job is huge."""

_END = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9À-Þ])|\n\s*\n+|(?<=[。！？])|(?<=[!?])\s+"
)  # full-width ends
_NOT_AN_END = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|no|vol|fig|approx|dept|jr|sr|inc|ltd|e\.g|i\.e)|\b[A-Z])\.$", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, in order, none of them empty or longer than `LONGEST_SENTENCE`."""
    sentences: list[str] = []
    for piece in _END.split(text):
        if not piece.strip():
            continue
        if sentences and _NOT_AN_END.search(sentences[-1]):
            sentences[-1] += f" {piece.strip()}"
        else:
            sentences.append(piece.strip())
    return [part for sentence in sentences for part in _cut(sentence)]


def _cut(sentence: str) -> list[str]:
    if len(sentence) <= LONGEST_SENTENCE:
        return [sentence]
    units = [word for clause in _CLAUSE_END.split(sentence) for word in _fitting(clause)]
    parts: list[str] = []
    for unit in units:
        if parts and len(parts[-1]) + 1 + len(unit) <= LONGEST_SENTENCE:
            parts[-1] += f" {unit}"
        else:
            parts.append(unit)
    return parts


def _fitting(clause: str) -> list[str]:
    """The clause, or its words where it is too long, or their pieces where a word is."""
    if len(clause) <= LONGEST_SENTENCE:
        return [clause]
    return [
        word[start : start + LONGEST_SENTENCE]
        for word in clause.split()
        for start in range(0, len(word), LONGEST_SENTENCE)
    ]
