"""What all faces share: finding published tables, figures and words, colors, explanations, status.

Here: `access` (published tables), `catalogue` (dictionary and lineage of the chain), `figures`, `rows` and `escaping`
(values as text), `plans` (sentences about people and goals), `palette`, `explanations`, `status` and `cadence`. Not
here: any page, command or file for people (the faces), or computing anything (the chain).
"""
