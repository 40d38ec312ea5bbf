"""Semantic Kernel for Python."""

import asyncio
import sys

from openai import AsyncOpenAI
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.connectors.mcp import MCPStreamableHttpPlugin


async def main(model_url: str, easel_url: str) -> None:
    client = AsyncOpenAI(base_url=f"{model_url}/v1", api_key="x")
    model = OpenAIChatCompletion(ai_model_id="model", async_client=client)
    async with MCPStreamableHttpPlugin(name="easel", url=easel_url) as easel:
        agent = ChatCompletionAgent(service=model, name="painter", plugins=[easel])
        print((await agent.get_response(messages="Draw a red fox.")).message)


asyncio.run(main(*sys.argv[1:]))
