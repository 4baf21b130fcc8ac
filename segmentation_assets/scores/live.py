"""Which accounts are scored. Not here: what decides that an account is live (`profiles.revenue`)."""

from __future__ import annotations

import ibis.expr.types as ir


def live_accounts(account_profiles: ir.Table, spine: ir.Table) -> ir.Table:
    """The profiles of the accounts live at the days of the spine.

    A condition, no join: Ibis would go through every column of the widest table there is, for each score.
    """
    return account_profiles.filter(account_profiles.is_live, account_profiles.as_of.isin(spine.as_of))
