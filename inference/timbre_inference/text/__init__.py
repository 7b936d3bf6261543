"""Text to sentences to token ids. No torch here."""

from timbre_inference.text.sentences import split_sentences
from timbre_inference.text.tokenizer import SymbolTable, Tokenizer

__all__ = ["SymbolTable", "Tokenizer", "split_sentences"]
