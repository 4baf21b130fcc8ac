"""Which accounts get scores. Not here: when an account is live (`profiles.revenue`)."""

from __future__ import annotations

import ibis.expr.types as ir


def live_accounts(account_profiles: ir.Table, spine: ir.Table) -> ir.Table:
    """The profiles of the accounts that are live on the days of the spine.

    A filter and no join: for a join, Ibis walks through all columns of this very wide table, once per score.
    """
    return account_profiles.filter(account_profiles.is_live, account_profiles.as_of.isin(spine.as_of))
