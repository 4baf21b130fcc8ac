"""Published tables as files for a spreadsheet: `writing` says which file holds what, `workbook` is the Excel side.

Not here: reading what is published (`access`), or rows for the terminal (`terminal.formats`).
"""
