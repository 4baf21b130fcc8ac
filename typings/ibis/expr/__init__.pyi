# Ibis types columns by what the caller knows at run time only: `table.seats` is a `Column`, on which its own stubs
# allow neither `+` nor `>`. So for the type checker Ibis is untyped; everything around it is checked.
from typing import Any

def __getattr__(name: str) -> Any: ...
