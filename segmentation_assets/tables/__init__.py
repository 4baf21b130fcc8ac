"""The language of tables: what every room of the chain may import.

Here: contracts and their enforcement, the registry and its decorators, `as_of` days, ledgers, the dictionary. Not
here: any table, any connection, any file (`warehouse`).
"""
