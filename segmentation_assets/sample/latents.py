"""The hidden state of each account by month: health, fit, growth, champion. All else follows from it.

Belongs here: how the state moves. Not here: what it causes.
"""

from dataclasses import dataclass

import numpy as np

from segmentation_assets.sample.timeline import Floats, Ints
from segmentation_assets.sample.traits import TRAITS

DEPARTURE_RATE = 0.018  # a champion leaves, per month
DEPARTURE_SHOCK = 1.1


@dataclass(frozen=True)
class Latents:
    """Accounts × months, on a scale where 0 is the usual account and 1 one standard deviation."""

    health: Floats
    fit: Floats
    growth: Floats
    champion: Floats

    def take(self, accounts: Ints) -> "Latents":
        """Latents of the given accounts."""
        return Latents(self.health[accounts], self.fit[accounts], self.growth[accounts], self.champion[accounts])


def _walk(rng: np.random.Generator, shape: tuple[int, int], persistence: float, mean_share: float) -> Floats:
    """AR(1) around a mean of each account's own; unit variance, of which `mean_share` lies between accounts."""
    noise = rng.standard_normal(shape)
    path = np.empty(shape)
    path[:, 0] = noise[:, 0]
    step = np.sqrt(1 - persistence**2)
    for month in range(1, shape[1]):
        path[:, month] = persistence * path[:, month - 1] + step * noise[:, month]
    mean = rng.standard_normal(shape[0])[:, None]
    return np.sqrt(mean_share) * mean + np.sqrt(1 - mean_share) * path


def _departures(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Shock of champions who left, fading by a quarter a month."""
    left = rng.random(shape) < DEPARTURE_RATE
    shock = np.zeros(shape)
    for month in range(1, shape[1]):
        shock[:, month] = 0.75 * shock[:, month - 1] + left[:, month]
    return shock


def draw_latents(rng: np.random.Generator, tier: Ints, months: int, csm_effect: Floats) -> Latents:
    """Paths of the four, tied to each other; a better CSM lifts health and growth."""
    shape = (len(tier), months)
    fit = _walk(rng, shape, 0.985, 0.7)
    shock = _departures(rng, shape)
    champion = _walk(rng, shape, 0.95, 0.4) - DEPARTURE_SHOCK * shock
    own = _walk(rng, shape, 0.93, 0.45)
    level = TRAITS.of("health_mean", tier)[:, None] + 0.5 * csm_effect[:, None]
    health = 0.80 * own + 0.25 * fit + 0.25 * champion - 0.9 * shock + level
    growth = 0.9 * _walk(rng, shape, 0.95, 0.65) + 0.25 * fit + csm_effect[:, None]
    return Latents(health, fit, growth, champion)
