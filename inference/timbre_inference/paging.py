"""Listings in pages, by OpenAI's cursor: `after` is the id of the last object that the client has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from timbre_inference.errors import UnusableValueError
from timbre_inference.schemas import PageQuery


class HasId(Protocol):
    """What can be in a listing."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=HasId)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of a listing."""

    items: list[T]
    has_more: bool

    @property
    def first_id(self) -> str | None:
        return self.items[0].id if self.items else None

    @property
    def last_id(self) -> str | None:
        return self.items[-1].id if self.items else None


def page_of(items: Sequence[T], query: PageQuery) -> Page[T]:
    """The `limit` items behind `after`."""
    begin = 0
    if query.after:
        begin = 1 + next((index for index, item in enumerate(items) if item.id == query.after), -2)
    if begin < 0:
        raise UnusableValueError(f"after: there is nothing with the id {query.after[:80]!r}.", param="after")
    end = begin + query.limit
    return Page(list(items[begin:end]), has_more=end < len(items))
