"""mcp-use: an agent on LangChain."""

import asyncio
import sys

from langchain_openai import ChatOpenAI
from mcp_use import MCPAgent, MCPClient


async def main(model_url: str, easel_url: str) -> None:
    client = MCPClient({"mcpServers": {"easel": {"url": easel_url}}})
    model = ChatOpenAI(model="model", base_url=f"{model_url}/v1", api_key="x")
    agent = MCPAgent(llm=model, client=client, max_steps=10)
    print(await agent.run("Draw a red fox."))
    await client.close_all_sessions()


asyncio.run(main(*sys.argv[1:]))
