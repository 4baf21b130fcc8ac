"""The server: each question as a tool of the Model Context Protocol, over standard input and output or HTTP.

Here: the instructions that an assistant reads, the tools, and refusals as errors of a tool. Not here: what a question
answers (`questions`), or who may connect over HTTP (`running.doors`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations

from segmentation_assets.assistants.marking import NOTICE, harmless
from segmentation_assets.assistants.questions import Questions
from segmentation_assets.reasons import Refusal

PATH = "/mcp"
INSTRUCTIONS = (
    "Segments, coverage tiers, scores, KPIs and plays of the accounts of one B2B company, as last computed. All "
    "tools only read. Every answer says its day (as_of) and its sources: name both when you quote a figure. Use the "
    "figures as they are, with the definition that `kpi` gives; null means not known. If a figure is refused or "
    f"null, say so: do not compute or estimate another. {NOTICE}"
)
_LONGEST_REFUSAL = 4000
_READS_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def server_of(questions: Questions) -> MCPServer[Any]:
    """A server with a tool per question."""
    server: MCPServer[Any] = MCPServer(
        "segmentation",
        title="Account segmentation",
        instructions=INSTRUCTIONS,
        version=version("segmentation-assets"),
        log_level="WARNING",
        subscriptions=False,
    )
    for question in questions.all:
        server.add_tool(_refusing(question), description=_description(question), annotations=_READS_ONLY)
    return server


def _description(question: Callable[..., Any]) -> str:
    return " ".join((question.__doc__ or "").split())


def _refusing(question: Callable[..., dict[str, Any]]) -> Callable[..., CallToolResult]:
    """The question; what it refuses is an error of the tool, with its reason."""

    @wraps(question)
    def tool(**arguments: Any) -> CallToolResult:
        try:
            facts = question(**arguments)
        except Refusal as error:
            raise ToolError(harmless(str(error), _LONGEST_REFUSAL)) from None
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=facts)

    return tool
