"""The tools in the Model Context Protocol, by its official library, whose import costs 0.4 s (docs/decisions.md)."""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from ipc.errors import QmdError
from qmd_daemon import __version__
from qmd_daemon.mcp.catalog import TOOLS
from qmd_daemon.mcp.tools import Tools

# What is listed is the program's, and the same until another version runs.
_LISTS = CacheHint(ttl_ms=60_000, scope="private")
_READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_TEMPLATE = types.ResourceTemplate(
    name="document",
    title="An indexed document",
    uri_template="qmd://{+path}",
    description="collection/path, or a docid.",
    mime_type="text/markdown",
)


def build(tools: Tools, instructions: str) -> Server[Any]:
    """A server whose answers are these tools'. The instructions are what it says of itself."""

    async def list_tools(*_: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[
            types.Tool(
                name=one.name,
                title=one.title,
                description=one.description,
                input_schema=one.takes,
                output_schema=one.gives,
                annotations=_READ_ONLY,
            )
            for one in TOOLS
        ])  # fmt: skip

    async def call_tool(_: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        """What goes wrong is an answer, too: the agent reads it, and does better."""
        try:
            answer = await tools.call(asked.name, asked.arguments)
        except QmdError as error:
            return types.CallToolResult(content=[_said(str(error))], is_error=True)
        return types.CallToolResult(content=[_said(answer.text)], structured_content=answer.content)

    async def list_resources(*_: Any) -> types.ListResourcesResult:
        """There are too many to list: `query` finds them, and the template names them."""
        return types.ListResourcesResult(resources=[])

    async def list_templates(*_: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[_TEMPLATE])

    async def read_resource(_: Any, asked: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        try:
            text = await tools.resource(asked.uri)
        except QmdError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
        contents = types.TextResourceContents(uri=asked.uri, mime_type=_media(asked.uri), text=text)
        return types.ReadResourceResult(contents=[contents])

    return Server(
        "qmd",
        title="QMD",
        version=__version__,
        instructions=instructions,
        cache_hints={"tools/list": _LISTS, "resources/templates/list": _LISTS},
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


def _said(text: str) -> types.TextContent:
    return types.TextContent(text=text)


def _media(uri: str) -> str:
    return "text/markdown" if uri.partition("?")[0].lower().endswith((".md", ".markdown")) else "text/plain"
