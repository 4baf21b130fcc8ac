"""Reading the numbers out of sentences, and looking them up among values. Not here: which values may be quoted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

_DATES = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2} [A-Z][a-z]{2} \d{4}")
_NUMBER = re.compile(r"(?<![\w.])([\d,]*\.?\d+)(%|[kMB]\b)?(?![\w])")
_SCALE = {"%": 0.01, "k": 1e3, "M": 1e6, "B": 1e9, "": 1.0}


def numbers(sentence: str) -> Iterator[tuple[str, float, float]]:
    """Each number of a sentence: as written, its size, and how far off rounding may have put it."""
    for match in _NUMBER.finditer(_DATES.sub("", sentence)):
        text, unit = match[1].replace(",", ""), match[2] or ""
        digits = len(text.partition(".")[2])
        yield match[0], float(text) * _SCALE[unit], 0.501 * 10**-digits * _SCALE[unit]


def unsupported(sentences: Iterable[str], pool: Iterable[float]) -> list[str]:
    """The numbers that no value of the pool is, each with its sentence."""
    sizes = sorted({abs(value) for value in pool})
    return [
        f"{text} in: {sentence}"
        for sentence in sentences
        for text, size, off in numbers(sentence)
        if not any(abs(size - each) <= off for each in sizes)
    ]


def values_of(value: Any) -> Iterator[float]:
    """All numbers in rows, frames, and the policy's sections."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if math.isfinite(value):
            yield float(value)
    elif isinstance(value, pd.DataFrame):
        for column in value.select_dtypes("number"):
            yield from (float(v) for v in value[column].dropna())
    elif isinstance(value, dict):
        for each in value.values():
            yield from values_of(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from values_of(each)
