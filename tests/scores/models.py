"""Churn models by hand for the score tests. Not here: assertions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.policy.model import load_policy
from segmentation_assets.scores.churn_model import churn_model
from segmentation_assets.scores.churn_training import ChurnTraining
from segmentation_assets.tables.as_of import spine_frame
from segmentation_assets.tables.contracts import ibis_schema

POLICY = load_policy().churn


def the_rule(*days: date, base: float = -3.0, size: float = 0.0) -> list[dict[str, Any]]:
    """The rows of `churn_model` where the points rule holds, with a fitted base."""
    bases = pd.DataFrame(
        [{"as_of": d, "base_log_odds": base, "size_log_odds": size, "is_fitted": True} for d in days]
    )
    nothing = pd.DataFrame(columns=pd.Index(list(ibis_schema(ChurnTraining))))
    rows = churn_model(spine_frame(days), nothing, bases, POLICY)
    return [row | {"as_of": row["as_of"].date()} for row in rows.to_dict("records")]


def trained(
    day: date, now: Mapping[str, float], later: Mapping[str, float], **centres: float
) -> list[dict[str, Any]]:
    """The rows of a trained model with these coefficients; a term that is not named has 0."""
    names = [row["term"] for row in the_rule(day)]
    return [
        {
            "as_of": day, "term": name, "coefficient": now.get(name, 0.0), "later_coefficient": later.get(name, 0.0),
            "centre": centres.get(name, 0.0), "status": "fitted", "is_trained": True, "is_fitted": True,
        }
        for name in names
    ]  # fmt: skip
