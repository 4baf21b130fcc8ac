"""What every face for people shares: finding published tables, figures and words, colours, reasons, status.

Here: `access` (published tables), `catalogue` (dictionary and lineage of the chain), `figures`, `rows` and `escaping`
(values as text), `plans` (sentences about people and goals), `palette`, `explanations`, `status` and `cadence`. Not
here: any page, command or file for people (the faces), or computing anything (the chain).
"""
