"""Does a child have to be applied? Pure, so that the answer "no" in a steady state is a table of tests."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from timbre_operator.names import MANIFEST_HASH, Manifest, fingerprint
from timbre_operator.observed import Child

QUANTITY_PARENTS = {"limits", "requests"}
QUANTITY_FIELDS = {"averageValue", "sizeLimit"}
LIST_KEYS = ("name", "uid", "mountPath", "containerPort", "key")
"""By what lists of objects are told apart; a webhook may have put items of its own between ours."""
SUFFIXES = {
    "m": Decimal("0.001"), "": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def needs_apply(desired: Manifest, child: Child, settled: str) -> bool:
    """True when the child is not what is desired.

    `settled` is the digest of what the API server made of our last apply of this child. If the child still looks
    like that and yet differs from what we want, an admission webhook has its own opinion, and applying again would
    be a fight.
    """
    stamped = child.annotations.get(MANIFEST_HASH) == desired["metadata"]["annotations"][MANIFEST_HASH]
    as_desired = stamped and contains(child.body, _content(desired))
    return not as_desired and digest_of(desired, child) != settled


def digest_of(desired: Manifest, child: Child) -> str:
    """A child's meaning, and what was wanted of it; status and versions left out, for they change by themselves."""
    return fingerprint(
        {
            "desired": desired["metadata"]["annotations"][MANIFEST_HASH],
            "labels": dict(child.labels),
            "annotations": dict(child.annotations),
            "owners": child.metadata.get("ownerReferences") or [],
            "rest": {name: child.body.get(name) for name in _content(desired) if name != "metadata"},
        }
    )


def _content(manifest: Manifest) -> Manifest:
    """Without apiVersion and kind, which the items of a list answer do not carry."""
    return {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind")}


def contains(observed: object, desired: object, path: tuple[str, ...] = ()) -> bool:
    """True when everything desired is observed; what others added does not matter."""
    if isinstance(desired, Mapping):
        # The API server leaves out what is empty.
        there: Mapping[str, Any] = observed if isinstance(observed, Mapping) else {}
        return (isinstance(observed, Mapping) or not desired) and all(
            contains(there.get(name), value, (*path, name)) for name, value in desired.items()
        )
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        return _contains_list(observed if isinstance(observed, list) else [], desired, path)
    if desired in ("", False, 0) and observed is None:
        return True
    return desired == observed or (_is_quantity(path) and _same_quantity(desired, observed))


def _contains_list(observed: list[Any], desired: Sequence[Any], path: tuple[str, ...]) -> bool:
    key = next(
        (name for name in LIST_KEYS if desired and all(isinstance(item, Mapping) and name in item for item in desired)),
        "",
    )
    # Without a key, or where the key does not tell items apart (two tolerations of one taint), order and length count.
    if not key or len({str(item[key]) for item in desired}) != len(desired):
        pairs = zip(observed, desired, strict=False)
        return len(observed) == len(desired) and all(contains(there, item, path) for there, item in pairs)
    by_key = {item.get(key): item for item in observed if isinstance(item, Mapping)}
    return all(contains(by_key.get(item[key]), item, path) for item in desired)


def _is_quantity(path: tuple[str, ...]) -> bool:
    return path[-1] in QUANTITY_FIELDS or (len(path) > 1 and path[-2] in QUANTITY_PARENTS)


def _same_quantity(first: object, second: object) -> bool:
    """The API server writes 1024Mi as 1Gi and 0.5 as 500m."""
    try:
        return parse_quantity(str(first)) == parse_quantity(str(second))
    except (InvalidOperation, KeyError):
        return False


def parse_quantity(text: str) -> Decimal:
    number = text.rstrip("mkKMGTPEi")
    suffix = text[len(number) :]
    return Decimal(number) * SUFFIXES[suffix]
