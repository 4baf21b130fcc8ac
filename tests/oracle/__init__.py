"""Every figure a second time: plain pandas over the raw extracts, to hold the published tables against.

Nothing here imports the product, so no mistake of the product can hide in it. `raw` reads a company's extract files
as they lie there; `revenue` is what each account paid on a day, which most tables start from; `agreement` compares a
published table with an oracle's frame, column by column.

How to add a table
1. Write a function `my_table(company: Company) -> pandas.DataFrame` in the module of its room. It starts from
   `company.raw`, from `company.revenue`, or from EARLIER tables, which have oracles of their own:
   `company.published("segments")`. It returns the key and every column, for `company.as_of`. Write it from the
   definition (column descriptions), not from the code.
2. Name it in `tables.ORACLES` with its key. A column that the oracle does not have fails the test, unless it is named
   in `left_out` with the reason.

The company (`company` of `conftest`) is a sample of 40 accounts over 500 days, run for one day.
`make oracle` holds the home of `make demo` instead: 400 accounts, a minute.
"""
