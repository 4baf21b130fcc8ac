"""Spark as a second engine, from the extra `spark`; nothing here is imported unless a home is set to use it."""
