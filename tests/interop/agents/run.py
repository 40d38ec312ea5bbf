"""The agents, and the steps that each takes: it lists the tools to its model, and shows the results of two calls.

A model must be shown the text of each result. A picture reaches it as a picture or not at all: as base64 in a text it
fills the context and says nothing.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop.agents.model import model_service
from tests.interop.environments import UnavailableError, node, node_environment, python

AGENT_S: Final = 120.0
FOLDER: Final = Path(__file__).parent
QUIET: Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "MASTRA_TELEMETRY_DISABLED": "1",
    "MCP_USE_ANONYMIZED_TELEMETRY": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}
"""Environment that keeps the agents from telling their makers of their runs."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent: its script, the way to its interpreter, and what stands behind Easel's address."""

    name: str
    script: str
    install: Callable[[], Awaitable[tuple[str, dict[str, str]]]]
    query: str = ""


def python_with(*requirements: str) -> Callable[[], Awaitable[tuple[str, dict[str, str]]]]:
    async def install() -> tuple[str, dict[str, str]]:
        return str(await python(*requirements)), {}

    return install


async def npm() -> tuple[str, dict[str, str]]:
    folder = await node()
    return str(folder / "node_modules" / ".bin" / "node"), node_environment(folder)


AGENTS: Final = (
    Agent(name="OpenAI Agents", script="openai_agents.py", install=python_with("openai-agents==0.24.0")),
    Agent(name="Pydantic AI", script="pydantic_ai.py", install=python_with("pydantic-ai-slim[openai,mcp]==2.68.0")),
    Agent(name="mcp-use", script="mcp_use.py", install=python_with("mcp-use==1.7.1", "langchain-openai==1.7.4")),
    Agent(name="CrewAI", script="crewai.py", install=python_with("crewai-tools[mcp]==1.15.30")),
    # It shows its model every block as text, and sends the name of the SDK for its own: the address has to say so.
    Agent(
        name="Semantic Kernel",
        script="semantic_kernel.py",
        install=python_with("semantic-kernel[mcp]==1.45.0"),
        query="?client=text",
    ),
    Agent(name="Google ADK", script="google_adk.py", install=python_with("google-adk[mcp]==2.13.0")),
    Agent(name="AI SDK", script="ai_sdk.mjs", install=npm),
    # As Semantic Kernel; the name that it sends is the one that its user gave to Easel.
    Agent(name="Mastra", script="mastra.mjs", install=npm, query="?client=text"),
)


async def steps_of(agent: Agent, easel_url: str, folder: Path) -> AsyncIterator[tuple[str, str, str]]:
    """Run one agent; yields a line a step: its name, ok or FAIL, and why."""
    try:
        interpreter, env = await agent.install()
    except UnavailableError as reason:
        yield "install", "FAIL", str(reason)
        return
    python_only = ["-P"] if agent.script.endswith(".py") else []  # a script has the name of what it imports
    async with model_service() as model:
        process = await asyncio.create_subprocess_exec(
            interpreter, *python_only, str(FOLDER / agent.script), model.url, easel_url + agent.query,
            cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder)} | QUIET | env,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(AGENT_S):
                _, complaint = await process.communicate()
        except TimeoutError:
            process.kill()
            _, complaint = await process.communicate()
        for step, wrong in model.verdicts():
            yield step, "FAIL" if wrong else "ok", wrong or (f"{model.pictures} shown" if step == "picture" else "")
    if process.returncode:
        yield "end", "FAIL", f"status {process.returncode}: {complaint.decode()[-500:]}"
