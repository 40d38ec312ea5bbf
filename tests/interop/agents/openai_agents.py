"""The OpenAI Agents SDK for Python, by chat completions."""

import asyncio
import sys

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp
from openai import AsyncOpenAI


async def main(model_url: str, easel_url: str) -> None:
    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("model", AsyncOpenAI(base_url=f"{model_url}/v1", api_key="x"))
    async with MCPServerStreamableHttp(params={"url": easel_url}, name="easel") as easel:
        agent = Agent(name="painter", model=model, mcp_servers=[easel])
        print((await Runner.run(agent, "Draw a red fox.")).final_output)


asyncio.run(main(*sys.argv[1:]))
