"""CrewAI, with the MCP adapter of its tools."""

import sys

from crewai import LLM, Agent, Crew, Task
from crewai_tools import MCPServerAdapter


def main(model_url: str, easel_url: str) -> None:
    model = LLM(model="openai/model", base_url=f"{model_url}/v1", api_key="x")
    with MCPServerAdapter({"url": easel_url, "transport": "streamable-http"}) as tools:
        agent = Agent(role="painter", goal="Draw", backstory="You draw.", llm=model, tools=tools)
        task = Task(description="Draw a red fox.", expected_output="A picture.", agent=agent)
        print(Crew(agents=[agent], tasks=[task]).kickoff())


main(*sys.argv[1:])
