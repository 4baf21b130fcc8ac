"""What an assistant may ask, by the Model Context Protocol: read-only answers about accounts, segments, KPIs, plays.

Here: the questions (`questions`, `metrics`), how an answer says its day and its source (`answers`), how text of data
is marked so that it cannot instruct (`marking`), and the server (`server`). Not here: computing anything (the chain),
sentences (`reading`), or who may connect (`running.doors`). One of the faces.
"""
