"""What the executive page says has changed since the last snapshot."""

from __future__ import annotations

from segmentation_assets.report.executive import executive_page
from tests.report.worlds import BEFORE, DAY, evidence, segment

ACCOUNTS = {
    # account: (segment before, segment now)
    "stays": ("Growth", "Growth"),
    "moves": ("Growth", "Efficient"),
    "falls": ("Efficient", "At-Risk"),
    "policy": ("Growth", "Strategic"),
    "data": ("Efficient", "At-Risk"),
    "both": ("Long-Tail", "Growth"),
}
MOVES = [
    {"account_id": "moves", "moved_from": "Growth", "moved_to": "Efficient", "cause_kind": "behaviour"},
    {"account_id": "policy", "moved_from": "Growth", "moved_to": "Strategic", "cause_kind": "policy"},
    {"account_id": "data", "moved_from": "Efficient", "moved_to": "At-Risk", "cause_kind": "restated"},
    # The policy made it Efficient, and from there it moved: not the policy alone
    {"account_id": "both", "moved_from": "Long-Tail", "moved_to": "Efficient", "cause_kind": "policy"},
]


def test_accounts_that_a_policy_or_new_data_relabelled_did_not_move():
    rows = [
        segment(as_of=day, account_id=account, segment=segments[place])
        for account, segments in ACCOUNTS.items()
        for place, day in enumerate((BEFORE, DAY))
    ]
    moves = [{**move, "kind": "segment", "effective_on": DAY} for move in MOVES]
    page = executive_page(evidence({"segments": rows, "segment_moves": moves}, previous=BEFORE))
    texts = [change.text for change in page.changes]
    # moves, falls and both; of these only falls went into At-Risk
    assert texts[1].startswith("At-Risk segment: 1 account with 1.00k ARR moved in, 0 accounts")
    assert texts[2].startswith("Moves: 3 accounts changed segment, 0 accounts changed coverage tier")
    assert texts[3:] == [
        "No moves: the policy changed. This alone gave 1 account another segment and 0 accounts another coverage "
        "tier.",
        "No moves: data or code changed for days announced before. This alone gave 1 account another segment and "
        "0 accounts another coverage tier.",
    ]
    assert [[count.number for count in change.accounts] for change in page.changes[2:]] == [[3], [1], [1]]


def test_without_relabels_nothing_is_said_of_them():
    rows = [segment(as_of=day, segment=name) for day, name in ((BEFORE, "Growth"), (DAY, "Efficient"))]
    old = [{"account_id": "a1", "kind": "segment", "moved_from": "Growth", "moved_to": "Efficient",
            "cause_kind": "policy", "effective_on": BEFORE}]  # fmt: skip
    page = executive_page(evidence({"segments": rows, "segment_moves": old}, previous=BEFORE))
    assert len(page.changes) == 3
    assert page.changes[2].text.startswith("Moves: 1 account changed segment")
