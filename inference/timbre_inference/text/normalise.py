"""Written English to words that a phonemiser reads as a person would."""

from __future__ import annotations

import re
import unicodedata

_QUOTES_AND_DASHES = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "…": ".", "‐": "-", "‑": "-"}
)
_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missis", "ms": "miz", "dr": "doctor", "prof": "professor", "st": "saint", "vs": "versus",
    "etc": "et cetera", "approx": "approximately", "dept": "department",
    "no": "number", "vol": "volume", "fig": "figure",
}  # fmt: skip
# Those that are words of their own, or other words, without what follows them.
_ONLY_BEFORE_A_NUMBER = {"no", "vol", "fig"}
_CURRENCIES = {"$": ("dollar", "dollars", "cents"), "€": ("euro", "euros", "cents"), "£": ("pound", "pounds", "pence")}
_SIGNS = {"&": " and ", "@": " at ", "+": " plus ", "=": " equals ", "%": " percent", "°": " degrees", "#": " number "}

_ABBREVIATION = re.compile(r"\b(" + "|".join(_ABBREVIATIONS) + r")\.(?=\s+(\S))", re.IGNORECASE)
_MONEY = re.compile(r"([$€£])\s?(\d[\d,]*)(?:\.(\d\d))?(?!\d)(\s(?:thousand|million|billion|trillion)\b)?")
_DASH = re.compile(r"\s*[–—]+\s*|\s+-+\s+")  # dashes of every width are the point


def normalise(text: str) -> str:
    """One line of plain text: compatibility forms resolved, money and abbreviations written out, controls dropped."""
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES_AND_DASHES)
    text = "".join(" " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in text)
    text = _DASH.sub(", ", text)
    text = _ABBREVIATION.sub(_expand_abbreviation, text)
    text = _MONEY.sub(_expand_money, text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    return " ".join(text.split())


def _expand_abbreviation(match: re.Match[str]) -> str:
    word = match[1].lower()
    if word in _ONLY_BEFORE_A_NUMBER and not match[2].isdigit():
        return match[0]
    return _ABBREVIATIONS[word]


def _expand_money(match: re.Match[str]) -> str:
    one, many, small = _CURRENCIES[match[1]]
    amount, cents, scale = match[2].replace(",", ""), match[3], match[4] or ""
    if scale:
        decimals = f".{cents}" if cents else ""
        return f"{amount}{decimals}{scale} {many}"
    words = f"{amount} {one if amount == '1' else many}"
    return f"{words} and {int(cents)} {small}" if cents and int(cents) else words
