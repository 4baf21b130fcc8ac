"""Which CSM covers which account: a mixed integer program, with its gap.

Here: the problem, its solution, and a bound on how much better any other solution could be. Not here: which
constraint binds (`binding`), or tables (`assignments`).

Every account gets one CSM who fits (level, region, industry), or none. A CSM may keep an account in spite of the
mismatches that the policy allows. The program minimises the sum, at the policy's prices, of handovers of accounts
whose CSM could keep them, mismatches of industry or region where these are not required, overload (in hours, and in
people by ratio) and accounts without a CSM. No CSM gets more than `most_load` times their hours or FTE.

Accounts that are alike in every input form one class; a CSM gets a whole number of each class. A small problem is
solved as one integer program. For a large one, the linear relaxation starts with a few candidates per class and adds
candidates as long as their reduced cost shows a gain. Then one integer program decides on the pairs with the least
reduced cost per overload that they could relieve. A class with one such pair stays where the relaxation put it. The
bound is the Lagrangian bound at the relaxation's prices over ALL pairs, not only the candidates. It equals the bound
of the full linear program once no candidate gives a gain, and is at most `max_gap` / 10 below it before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmentation_assets.policy.capacity import AssignmentPolicy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NOBODY = -1
_EPSILON = 1e-7
_COLUMNS_A_ROUND = 3
"""New candidates per class and round."""
_ROUNDS_STOP = 10
"""No more candidates are added once the relaxation's gap to the bound is the allowed gap / this number."""
_DECIMALS = 6
"""Reduced costs are compared after rounding to this many decimals."""
_SPREAD = 7919
"""A prime: alike classes start from different CSMs, where these cost the same."""


@dataclass(frozen=True, order=True)
class Account:
    """An account to be covered. `portfolio_share`: the people it takes. None: unknown."""

    account_id: str
    tier: str
    hours: float
    portfolio_share: float = 0.0
    region: str | None = None
    industry: str | None = None
    csm_id: str | None = None


@dataclass(frozen=True)
class Csm:
    """A CSM, with customer hours a month and FTE. No region: any."""

    csm_id: str
    hours: float
    fte: float
    level: str | None = None
    region: str | None = None
    industries: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Load:
    """Hours and people that a CSM's accounts need, against the CSM's own."""

    hours: float
    portfolio: float
    overload_hours: float
    overload_fte: float
    load_share: float
    """The larger of needed / available hours and portfolio / FTE; infinite where the CSM has no time."""


@dataclass(frozen=True)
class Assignment:
    """The CSM of each account, and how good the assignment is. Price and bound are in the policy's hours."""

    csm_of: Mapping[str, str | None]
    """The CSM of each account; None: nobody."""
    fits: Mapping[str, bool]
    """Whether any CSM may cover the account."""
    could_stay: frozenset[str]
    """Accounts whose present CSM may keep them."""
    loads: Mapping[str, Load]
    objective: float
    bound: float

    @property
    def gap(self) -> float | None:
        """(objective - bound) / bound: no assignment is better by more. None: only the bound is 0."""
        if self.objective - self.bound <= _EPSILON:
            return 0.0
        return (self.objective - self.bound) / self.bound if self.bound > _EPSILON else None


@dataclass(frozen=True)
class Fit:
    """Kinds of accounts (tier, region, industry) against CSMs: who may cover, and the price per hour of it."""

    kinds: Sequence[tuple[str, str | None, str | None]]
    may: Bools
    price: Floats

    @property
    def covered(self) -> Bools:
        """Kinds that at least one CSM may cover."""
        return np.asarray(self.may.any(axis=1), dtype=np.bool_)


@dataclass(frozen=True)
class Problem:
    """Classes of alike accounts (rows) against CSMs (columns)."""

    number: Ints
    hours: Floats
    shares: Floats
    cost: Floats
    """Price of a pair; infinite where it does not fit."""
    nobody: Floats
    """Price of an account of the class without a CSM."""
    has_hours: Floats
    has_fte: Floats
    spare_hours: Floats
    spare_fte: Floats
    """Most overload of each CSM."""
    hour_price: float
    fte_price: float


def assign(accounts: Sequence[Account], csms: Sequence[Csm], policy: AssignmentPolicy) -> Assignment:
    """The assignment and its bound. The order of accounts and CSMs does not matter; equal input, equal output.

    Raises ValueError for an id that stands twice, RuntimeError if the solver fails.
    """
    accounts, csms = sorted(accounts, key=lambda a: a.account_id), sorted(csms, key=lambda c: c.csm_id)
    _once([a.account_id for a in accounts], "account")
    _once([c.csm_id for c in csms], "CSM")
    index = {c.csm_id: i for i, c in enumerate(csms)}
    fit, kind_of = fit_of(accounts, csms, policy)
    current = np.array([index.get(a.csm_id or "", NOBODY) for a in accounts], dtype=np.int64)
    may_stay = fit_of(accounts, csms, policy, frozenset(policy.stays_in_spite_of))[0].may
    stays = np.array(
        [c != NOBODY and bool(may_stay[k, c]) for c, k in zip(current, kind_of, strict=True)], dtype=bool
    )
    covered = stays | fit.covered[kind_of]
    current = np.where(stays, current, NOBODY)
    chosen = np.full(len(accounts), NOBODY)
    bound = 0.0
    members = np.flatnonzero(covered)
    if len(members):
        classes, class_of = _classes([accounts[i] for i in members], kind_of[members], current[members])
        problem = _problem(classes, np.bincount(class_of), fit, csms, policy)
        counts, bound = _solve(problem, policy)
        chosen[members] = _shared_out(counts, class_of, current[members])
    return _assignment(accounts, csms, chosen, covered, stays, fit, kind_of, current, bound, policy)


def fit_of(
    accounts: Sequence[Account], csms: Sequence[Csm], policy: AssignmentPolicy, without: frozenset[str] = frozenset()
) -> tuple[Fit, Ints]:
    """Which CSMs fit which kinds of accounts, and each account's kind. `without` leaves out constraints by name."""
    kinds = sorted({(a.tier, a.region, a.industry) for a in accounts}, key=str)
    place = {kind: i for i, kind in enumerate(kinds)}
    may = np.ones((len(kinds), len(csms)), dtype=bool)
    price = np.zeros((len(kinds), len(csms)))
    for i, (tier, region, industry) in enumerate(kinds):
        levels = policy.levels.get(tier)  # pyright: ignore[reportArgumentType, reportCallIssue]
        for j, csm in enumerate(csms):
            other_region = region is not None and csm.region is not None and region != csm.region
            no_industry = industry is not None and industry not in csm.industries
            broken = {
                "level": levels is not None and csm.level not in levels,
                "region": other_region and tier in policy.region_required,
                "industry": no_industry and tier in policy.industry_required,
            }
            may[i, j] = not any(is_broken for name, is_broken in broken.items() if name not in without)
            price[i, j] = policy.region_mismatch_share * other_region + policy.industry_mismatch_share * no_industry
    return Fit(kinds, may, price), np.array([place[a.tier, a.region, a.industry] for a in accounts], dtype=np.int64)


def hours_per_fte(csms: Sequence[Csm]) -> float:
    """Customer hours a month of one FTE of these people; 0 without any."""
    fte = sum(c.fte for c in csms)
    return sum(c.hours for c in csms) / fte if fte > 0 else 0.0


def _once(ids: Sequence[str], what: str) -> None:
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})[:3]
        raise ValueError(f"{what} {', '.join(twice)} stands twice")


_Class = tuple[int, float, float, int, str]
"""Kind, hours, portfolio share, present CSM (if they fit), tier."""


def _classes(accounts: Sequence[Account], kinds: Ints, current: Ints) -> tuple[list[_Class], Ints]:
    keys = [
        (int(k), a.hours, a.portfolio_share, int(c), a.tier) for a, k, c in zip(accounts, kinds, current, strict=True)
    ]
    classes = sorted(set(keys))
    place = {key: i for i, key in enumerate(classes)}
    return classes, np.array([place[key] for key in keys], dtype=np.int64)


def _problem(
    classes: Sequence[_Class], number: Ints, fit: Fit, csms: Sequence[Csm], policy: AssignmentPolicy
) -> Problem:
    kind = np.array([c[0] for c in classes], dtype=np.int64)
    hours, shares = np.array([c[1] for c in classes]), np.array([c[2] for c in classes])
    current = np.array([c[3] for c in classes], dtype=np.int64)
    handover = np.array([policy.handover_hours[c[4]] for c in classes])  # pyright: ignore[reportArgumentType]
    moves = (np.arange(len(csms))[None, :] != current[:, None]) & (current != NOBODY)[:, None]
    may = fit.may[kind]
    has_csm = np.flatnonzero(current != NOBODY)
    may[has_csm, current[has_csm]] = True
    cost = np.where(may, fit.price[kind] * hours[:, None] + handover[:, None] * moves, np.inf)
    has_hours, has_fte = np.array([c.hours for c in csms]), np.array([c.fte for c in csms])
    fte_price = policy.overload_price * hours_per_fte(csms)
    worth = policy.overload_price * hours + fte_price * shares
    return Problem(
        number=number.astype(np.int64),
        hours=hours,
        shares=shares,
        cost=cost,
        nobody=policy.unassigned_factor * worth + handover,
        has_hours=has_hours,
        has_fte=has_fte,
        spare_hours=(policy.most_load - 1) * has_hours,
        spare_fte=(policy.most_load - 1) * has_fte,
        hour_price=policy.overload_price,
        fte_price=fte_price,
    )


def _solve(problem: Problem, policy: AssignmentPolicy) -> tuple[dict[tuple[int, int], int], float]:
    """Number of accounts per (class, CSM), and the bound."""
    fitting = np.isfinite(problem.cost)
    if fitting.sum() <= policy.exact_pairs:
        row, column = np.nonzero(fitting)
        return _integers(problem, row, column, problem.number, {}, policy)
    relaxed = _relaxed(problem, policy)
    row, column, kept = _opened(problem, relaxed, policy)
    fixed = {(int(k), int(c)): int(kept[k, c]) for k, c in np.argwhere(kept)}
    counts, _ = _integers(problem, row, column, problem.number - kept.sum(axis=1), fixed, policy)
    return counts, relaxed.bound


@dataclass(frozen=True)
class _Relaxed:
    """A solution of the linear relaxation: numbers and reduced costs (classes x CSMs), and the bound."""

    numbers: Floats
    reduced: Floats
    bound: float


def _opened(problem: Problem, relaxed: _Relaxed, policy: AssignmentPolicy) -> tuple[Ints, Ints, Ints]:
    """The pairs that the integer program decides on, and the fixed numbers from the relaxation (classes x CSMs).

    Open are the pairs that the relaxation uses, and those with the least extra cost per overload that one of their
    accounts could relieve. Whole accounts leave some CSMs overloaded and others with time to spare; such pairs even
    that out. A class with only one open pair has nothing to decide.
    """
    worth = problem.hour_price * problem.hours + problem.fte_price * problem.shares
    dear = np.maximum(relaxed.reduced, 0.0) / np.maximum(worth, _EPSILON)[:, None]
    row, column = np.nonzero(np.isfinite(problem.cost))
    # Rounded, because the solver's last digits must not order ties. Among ties, the smallest accounts even out best.
    order = np.lexsort((problem.hours[row], np.round(dear[row, column], _DECIMALS)))[: policy.exact_pairs]
    is_open = relaxed.numbers > _EPSILON
    is_open[row[order], column[order]] = True
    whole = np.floor(relaxed.numbers + _EPSILON).astype(np.int64)
    kept = np.where(is_open.sum(axis=1, keepdims=True) == 1, whole, 0)
    left = problem.number - kept.sum(axis=1)
    row, column = np.nonzero(is_open & (left > 0)[:, None])
    return row, column, kept


def _relaxed(problem: Problem, policy: AssignmentPolicy) -> _Relaxed:
    """The linear relaxation, with further pairs added as long as they give a gain."""
    considered = _first_candidates(problem, policy.candidates)
    bound = -np.inf
    for last in range(policy.max_rounds, 0, -1):
        row, column = np.nonzero(considered)
        value, solved, prices = _linear(problem, row, column)
        reduced = problem.cost + np.outer(problem.hours, prices.hours) + np.outer(problem.shares, prices.fte)
        bound = max(bound, _lagrangian(problem, reduced, prices))
        if last == 1 or value - bound <= policy.max_gap / _ROUNDS_STOP * abs(bound) + _EPSILON:
            break
        considered |= _paying(reduced, considered, prices.account)
    numbers = np.zeros(problem.cost.shape)
    numbers[row, column] = solved
    return _Relaxed(numbers, reduced - prices.account[:, None], bound)


@dataclass(frozen=True)
class _Prices:
    """Dual prices: the cost of one more account, and the saving by one more hour or FTE of a CSM."""

    account: Floats
    hours: Floats
    fte: Floats


def _first_candidates(problem: Problem, candidates: int) -> Bools:
    """The cheapest pairs of each class, with the present CSM, who costs no handover."""
    classes, csms = problem.cost.shape
    turn = (np.arange(csms)[None, :] + _SPREAD * np.arange(classes)[:, None]) % csms
    order = np.lexsort((turn, problem.cost), axis=1)[:, :candidates]
    considered = np.zeros(problem.cost.shape, dtype=bool)
    np.put_along_axis(considered, order, True, axis=1)
    return considered & np.isfinite(problem.cost)


def _paying(reduced: Floats, considered: Bools, account_price: Floats) -> Bools:
    """New pairs whose reduced cost shows a gain, the best few of each class."""
    open_pairs = np.where(considered, np.inf, reduced)
    best = np.argsort(open_pairs, axis=1, kind="stable")[:, :_COLUMNS_A_ROUND]
    pays = np.take_along_axis(open_pairs, best, axis=1) < account_price[:, None] - _EPSILON
    added = np.zeros(considered.shape, dtype=bool)
    np.put_along_axis(added, best, pays, axis=1)
    return added


def _lagrangian(problem: Problem, reduced: Floats, prices: _Prices) -> float:
    """A lower bound on every assignment: the limits on hours and people have a price instead of being enforced."""
    cheapest = np.minimum(reduced.min(axis=1), problem.nobody)
    overload = np.minimum(0.0, problem.hour_price - prices.hours) @ problem.spare_hours
    overload += np.minimum(0.0, problem.fte_price - prices.fte) @ problem.spare_fte
    return float(
        problem.number @ cheapest - prices.hours @ problem.has_hours - prices.fte @ problem.has_fte + overload
    )


def _matrices(problem: Problem, row: Ints, column: Ints, rows: Ints) -> tuple[Any, Any]:
    """Two sparse matrices: each class has as many CSMs as accounts; no CSM exceeds their time + overload.

    Variables: pairs, accounts without a CSM per class of `rows`, overload hours per CSM, overload FTE per CSM.
    """
    from scipy import sparse  # noqa: PLC0415 - heavy, and only where somebody is assigned

    csms, pairs = len(problem.has_hours), len(row)
    place = np.full(len(problem.number), NOBODY)
    place[rows] = np.arange(len(rows))
    covers = sparse.csr_array((np.ones(pairs), (place[row], np.arange(pairs))), shape=(len(rows), pairs))
    coverage = sparse.hstack([covers, sparse.eye_array(len(rows)), sparse.csr_array((len(rows), 2 * csms))])
    none = sparse.csr_array((csms, len(rows)))
    loads = [
        sparse.csr_array((weight[row], (column, np.arange(pairs))), shape=(csms, pairs))
        for weight in (problem.hours, problem.shares)
    ]
    zero, over = sparse.csr_array((csms, csms)), -sparse.eye_array(csms)
    limits = sparse.vstack([sparse.hstack([loads[0], none, over, zero]), sparse.hstack([loads[1], none, zero, over])])
    return sparse.csr_array(coverage), sparse.csr_array(limits)


def _prices_of(problem: Problem, row: Ints, column: Ints, rows: Ints) -> Floats:
    csms = len(problem.has_hours)
    overload = [np.full(csms, problem.hour_price), np.full(csms, problem.fte_price)]
    return np.concatenate([problem.cost[row, column], problem.nobody[rows], *overload])


def _linear(problem: Problem, row: Ints, column: Ints) -> tuple[float, Floats, _Prices]:
    """Value, numbers per pair, and dual prices of the linear program over the pairs."""
    from scipy.optimize import linprog  # noqa: PLC0415

    rows, pairs = np.arange(len(problem.number)), len(row)
    coverage, limits = _matrices(problem, row, column, rows)
    most = np.concatenate([np.full(pairs + len(rows), np.inf), problem.spare_hours, problem.spare_fte])
    solution = linprog(
        _prices_of(problem, row, column, rows),
        A_ub=limits,
        b_ub=np.concatenate([problem.has_hours, problem.has_fte]),
        A_eq=coverage,
        b_eq=problem.number,
        bounds=np.column_stack([np.zeros(len(most)), most]),
        method="highs",
    )
    if solution.status != 0:
        raise RuntimeError(f"the linear program of the assignment was not solved: {solution.message}")
    duals = np.maximum(-solution.ineqlin.marginals, 0.0)
    csms = len(problem.has_hours)
    prices = _Prices(solution.eqlin.marginals, duals[:csms], duals[csms:])
    return float(solution.fun), solution.x[:pairs], prices


def _integers(
    problem: Problem,
    row: Ints,
    column: Ints,
    left: Ints,
    fixed: Mapping[tuple[int, int], int],
    policy: AssignmentPolicy,
) -> tuple[dict[tuple[int, int], int], float]:
    """Whole numbers per pair for the accounts `left` of each class, added to `fixed`; and the program's own bound."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415

    counts = dict(fixed)
    rows = np.flatnonzero(left > 0)
    if not len(rows):
        return counts, 0.0
    pairs, csms = len(row), len(problem.has_hours)
    hours, portfolio = _loads(problem, fixed)
    coverage, limits = _matrices(problem, row, column, rows)
    most = np.concatenate([left[row], left[rows], problem.spare_hours, problem.spare_fte]).astype(float)
    room = np.concatenate([problem.has_hours - hours, problem.has_fte - portfolio]) + _EPSILON
    solution = milp(
        _prices_of(problem, row, column, rows),
        constraints=[
            LinearConstraint(coverage, left[rows], left[rows]),  # pyright: ignore[reportArgumentType]
            LinearConstraint(limits, -np.inf, room),  # pyright: ignore[reportArgumentType]
        ],
        integrality=np.concatenate([np.ones(pairs + len(rows)), np.zeros(2 * csms)]),
        bounds=Bounds(np.zeros(len(most)), most),  # pyright: ignore[reportArgumentType]
        options={"mip_rel_gap": policy.max_gap, "node_limit": policy.max_nodes},
    )
    if solution.x is None:
        raise RuntimeError(f"the integer program of the assignment was not solved: {solution.message}")
    for k, c, n in zip(row, column, np.rint(solution.x[:pairs]).astype(np.int64), strict=True):
        if n:
            counts[int(k), int(c)] = counts.get((int(k), int(c)), 0) + int(n)
    return counts, float(solution.mip_dual_bound)


def _loads(problem: Problem, counts: Mapping[tuple[int, int], int]) -> tuple[Floats, Floats]:
    hours, portfolio = np.zeros(len(problem.has_hours)), np.zeros(len(problem.has_hours))
    for (k, c), n in counts.items():
        hours[c] += n * problem.hours[k]
        portfolio[c] += n * problem.shares[k]
    return hours, portfolio


def _shared_out(counts: Mapping[tuple[int, int], int], class_of: Ints, current: Ints) -> Ints:
    """The CSM of each account. A class's accounts go in order of id: first to the present CSM, then to others."""
    by_class: dict[int, list[tuple[int, int]]] = {}
    for (k, c), n in counts.items():
        by_class.setdefault(k, []).append((c, n))
    members: dict[int, list[int]] = {}
    for i, k in enumerate(class_of):
        members.setdefault(int(k), []).append(i)
    chosen = np.full(len(class_of), NOBODY)
    for k, places in members.items():
        own = current[places[0]]
        takers = sorted(by_class.get(k, []), key=lambda taker: (taker[0] != own, taker[0]))
        csms = [c for c, n in takers for _ in range(n)]
        chosen[places[: len(csms)]] = csms
    return chosen


def _assignment(
    accounts: Sequence[Account],
    csms: Sequence[Csm],
    chosen: Ints,
    covered: Bools,
    stays: Bools,
    fit: Fit,
    kind_of: Ints,
    current: Ints,
    bound: float,
    policy: AssignmentPolicy,
) -> Assignment:
    fte_hours = hours_per_fte(csms)
    loads = dict(_final_loads(accounts, csms, chosen))
    price = sum(
        policy.overload_price * (load.overload_hours + fte_hours * load.overload_fte) for load in loads.values()
    )
    for i in np.flatnonzero(covered).tolist():
        account = accounts[i]
        handover = policy.handover_hours[account.tier]  # pyright: ignore[reportArgumentType]
        if chosen[i] == NOBODY:
            worth = policy.overload_price * (account.hours + fte_hours * account.portfolio_share)
            price += policy.unassigned_factor * worth + handover
        else:
            price += fit.price[kind_of[i], chosen[i]] * account.hours
            price += handover * (current[i] not in (NOBODY, chosen[i]))
    return Assignment(
        csm_of={a.account_id: None if c == NOBODY else csms[c].csm_id for a, c in zip(accounts, chosen, strict=True)},
        fits={a.account_id: bool(c) for a, c in zip(accounts, covered, strict=True)},
        could_stay=frozenset(a.account_id for a, s in zip(accounts, stays, strict=True) if s),
        loads=loads,
        objective=float(price),
        bound=min(float(bound), float(price)),
    )


def _final_loads(accounts: Sequence[Account], csms: Sequence[Csm], chosen: Ints) -> Iterator[tuple[str, Load]]:
    served = chosen != NOBODY
    hours, portfolio = (
        np.bincount(chosen[served], weights=weights[served], minlength=len(csms))
        for weights in (np.array([a.hours for a in accounts]), np.array([a.portfolio_share for a in accounts]))
    )
    for csm, given_hours, given_portfolio in zip(csms, hours, portfolio, strict=True):
        parts = [(given_hours, csm.hours), (given_portfolio, csm.fte)]
        shares = [float("inf") if has <= 0 else load / has for load, has in parts if load > 0]
        yield (
            csm.csm_id,
            Load(
                hours=float(given_hours),
                portfolio=float(given_portfolio),
                overload_hours=max(0.0, float(given_hours) - csm.hours),
                overload_fte=max(0.0, float(given_portfolio) - csm.fte),
                load_share=float(max(shares, default=0.0)),
            ),
        )
