"""espeak-ng through its C interface: the phonemes that the built-in voice was trained on."""

from __future__ import annotations

import ctypes
import re
import threading
import unicodedata

import espeakng_loader

_SYNCHRONOUS = 2
_UTF8 = 1
_IPA = 2

# A clause and what ends it. A sign inside a word or number (3.5, 10:30, e.g.) is espeak's to read.
_CLAUSE = re.compile(r"(.*?)(?:([.,;:!?])[.,;:!?\"')\]]*(?=\s|$)|$)", re.DOTALL)
_LANGUAGE_SWITCH = re.compile(r"\([^)]*\)")


class PhonemiserError(RuntimeError):
    """espeak-ng could not be started, or lacks the voice."""


class Phonemiser:
    """Text to IPA; the library keeps global state, so one lock guards every instance."""

    _lock = threading.Lock()
    _library: ctypes.CDLL | None = None

    def __init__(self, voice: str) -> None:
        self.voice = voice

    def phonemes(self, text: str) -> str:
        """IPA with stress marks, clauses ended by their punctuation; decomposed to single code points."""
        clauses = []
        for match in _CLAUSE.finditer(text):
            spoken = self._speak(match[1])
            if spoken:
                clauses.append(spoken + (match[2] or ""))
        return unicodedata.normalize("NFD", " ".join(clauses))

    def _speak(self, clause: str) -> str:
        if not any(char.isalnum() for char in clause):
            return ""
        with self._lock:
            library = self._start()
            if library.espeak_SetVoiceByName(self.voice.encode()) != 0:
                raise PhonemiserError(f"espeak-ng has no voice {self.voice!r}")
            cursor = ctypes.c_char_p(clause.encode())
            parts = []
            while cursor.value is not None:
                parts.append(library.espeak_TextToPhonemes(ctypes.byref(cursor), _UTF8, _IPA).decode())
        return " ".join(_LANGUAGE_SWITCH.sub("", " ".join(parts)).split())

    @classmethod
    def _start(cls) -> ctypes.CDLL:
        if cls._library is None:
            library = ctypes.CDLL(espeakng_loader.get_library_path())
            library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
            library.espeak_TextToPhonemes.restype = ctypes.c_char_p
            if library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0) < 0:
                raise PhonemiserError("espeak-ng did not start: its data could not be read")
            cls._library = library
        return cls._library
