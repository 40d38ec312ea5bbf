"""Google's Agent Development Kit, by Gemini's API."""

import asyncio
import os
import sys

from google.adk.agents import LlmAgent
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams
from google.genai.types import Content, Part


async def main(model_url: str, easel_url: str) -> None:
    os.environ |= {"GOOGLE_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": model_url}
    tools = McpToolset(connection_params=StreamableHTTPConnectionParams(url=easel_url))
    agent = LlmAgent(name="painter", model="gemini-2.5-flash", tools=[tools])
    runner = InMemoryRunner(agent=agent, app_name="easel")
    session = await runner.session_service.create_session(app_name="easel", user_id="ann")
    asked = Content(role="user", parts=[Part(text="Draw a red fox.")])
    async for event in runner.run_async(user_id="ann", session_id=session.id, new_message=asked):
        print(event.content)
    await tools.close()


asyncio.run(main(*sys.argv[1:]))
