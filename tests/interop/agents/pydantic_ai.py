"""Pydantic AI, by chat completions."""

import asyncio
import sys

from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main(model_url: str, easel_url: str) -> None:
    model = OpenAIChatModel("model", provider=OpenAIProvider(base_url=f"{model_url}/v1", api_key="x"))
    agent = Agent(model, toolsets=[MCPToolset(easel_url)])
    async with agent:
        print((await agent.run("Draw a red fox.")).output)


asyncio.run(main(*sys.argv[1:]))
