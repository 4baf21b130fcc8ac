"""How a run is run: in this process, or by Dagster's servers and daemon as child processes.

Here: runs, the instance of a home, the servers behind web pages, what is switched on. Not here: what Dagster loads
(`orchestration`), or commands (`cli`).
"""
