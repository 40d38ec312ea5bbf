"""The fixture's tools, as the suite's scenarios call them. Each is a few lines of what any server would write."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from service.protocol.call import Call
from service.protocol.catalog import ToolEntry
from service.protocol.client_requests import elicit, list_roots, sample
from service.protocol.errors import INVALID_PARAMS, RpcError
from service.protocol.jsonrpc import Result
from service.protocol.subscriptions import PROMPTS, TOOLS, Hub
from tests.conformance.content import audio, embedded, image, result, said, text

Arguments = Mapping[str, Any]

STEP_S: Final = 0.05
NAME_FORM: Final = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
OK_FORM: Final = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
COLOR_FORM: Final = {"type": "object", "properties": {"color": {"type": "string"}}, "required": ["color"]}
CONFIRM_FORM: Final = {"type": "object", "properties": {"confirm": {"type": "boolean"}}, "required": ["confirm"]}


async def simple_text(call: Call, arguments: Arguments) -> Result:
    return said("This is a simple text response for testing.")


async def image_content(call: Call, arguments: Arguments) -> Result:
    return result(image())


async def audio_content(call: Call, arguments: Arguments) -> Result:
    return result(audio())


async def embedded_resource(call: Call, arguments: Arguments) -> Result:
    return result(embedded())


async def multiple_content_types(call: Call, arguments: Arguments) -> Result:
    return result(text("Several kinds:"), image(), embedded())


async def error_handling(call: Call, arguments: Arguments) -> Result:
    return {**said("This tool fails on purpose."), "isError": True}


async def tool_with_progress(call: Call, arguments: Arguments) -> Result:
    for step in (0, 50, 100):
        call.report(f"{step} of 100", step)
        await asyncio.sleep(STEP_S)
    return said("Progress was told.")


async def tool_with_logging(call: Call, arguments: Arguments) -> Result:
    for step in ("started", "working", "finished"):
        await call.log("info", f"Tool {step}")
        await asyncio.sleep(STEP_S)
    return said("It was logged.")


async def sampling(call: Call, arguments: Arguments) -> Result:
    answer = await call.ask("sample", sample(arguments["prompt"], max_tokens=100))
    return said(f"The model said: {answer['content']}")


async def elicitation(call: Call, arguments: Arguments) -> Result:
    fields = {"username": {"type": "string"}, "email": {"type": "string"}}
    form = {"type": "object", "properties": fields, "required": ["username", "email"]}
    answer = await call.ask("who", elicit(arguments["message"], form))
    return said(f"{answer['action']}: {answer.get('content')}")


async def elicitation_defaults(call: Call, arguments: Arguments) -> Result:
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    answer = await call.ask("fields", elicit("Check these.", {"type": "object", "properties": fields}))
    return said(f"{answer['action']}: {answer.get('content')}")


async def elicitation_enums(call: Call, arguments: Arguments) -> Result:
    options = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"Value {n}"} for n in (1, 2, 3)]
    fields = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    answer = await call.ask("choices", elicit("Choose.", {"type": "object", "properties": fields}))
    return said(f"{answer['action']}: {answer.get('content')}")


async def reconnection(call: Call, arguments: Arguments) -> Result:
    call.channel.hang_up(call)
    await asyncio.sleep(4 * STEP_S)
    return said("It came on the second connection.")


async def missing_capability(call: Call, arguments: Arguments) -> Result:
    await call.ask("sample", sample("Say something.", max_tokens=10))
    return said("The client can sample.")


async def streaming_elicitation(call: Call, arguments: Arguments) -> Result:
    answer = await call.ask("user_name", elicit("What is your name?", NAME_FORM))
    return said(f"{answer['action']}")


async def logging_tool(call: Call, arguments: Arguments) -> Result:
    await call.log("info", "The logging tool ran.")
    return said("Logged, if that was wanted.")


async def asks_elicitation(call: Call, arguments: Arguments) -> Result:
    answer = await call.ask("user_name", elicit("What is your name?", NAME_FORM))
    return said(f"Hello, {answer.get('content', {}).get('name', 'stranger')}!")


async def asks_sampling(call: Call, arguments: Arguments) -> Result:
    answer = await call.ask("capital_question", sample("What is the capital of France?", max_tokens=100))
    return said(f"The model said: {answer['content']}")


async def asks_roots(call: Call, arguments: Arguments) -> Result:
    answer = await call.ask("client_roots", list_roots())
    return said(f"{len(answer['roots'])} roots")


async def keeps_state(call: Call, arguments: Arguments) -> Result:
    await call.ask("confirm", elicit("Go on?", OK_FORM), keep={"stage": "confirmed"})
    return said("state-ok" if call.kept.get("stage") == "confirmed" else "state lost")


async def asks_several(call: Call, arguments: Arguments) -> Result:
    questions = {
        "user_name": elicit("What is your name?", NAME_FORM),
        "greeting": sample("Greet somebody.", max_tokens=50),
        "client_roots": list_roots(),
    }
    answers = await call.ask_all(questions, keep={"asked": len(questions)})
    return said(f"{len(answers)} answers")


async def asks_twice(call: Call, arguments: Arguments) -> Result:
    first = await call.ask("step1", elicit("Step 1: what is your name?", NAME_FORM), keep={"step": 1})
    second = await call.ask("step2", elicit("Step 2: which colour?", COLOR_FORM), keep={"step": 2})
    return said(f"{first.get('content')} {second.get('content')}")


async def asks_what_is_declared(call: Call, arguments: Arguments) -> Result:
    questions = {
        "name": elicit("What is your name?", NAME_FORM),
        "greeting": sample("Greet somebody.", max_tokens=50),
        "roots": list_roots(),
    }
    declared = {key: each for key, each in questions.items() if each.capability in call.client.capabilities}
    return said(f"{len(await call.ask_all(declared))} answers")


async def greet(call: Call, arguments: Arguments) -> Result:
    return said(f"Hello, {arguments.get('name', 'stranger')}!")


async def slow_compute(call: Call, arguments: Arguments) -> Result:
    await call.become_task()
    await asyncio.sleep(float(arguments.get("seconds", 1)))
    return said(f"Computed {arguments.get('label', 'it')}.")


async def failing_job(call: Call, arguments: Arguments) -> Result:
    await call.become_task(required=True)
    await asyncio.sleep(10 * STEP_S)
    return {**said("The job failed on purpose."), "isError": True}


async def protocol_error_job(call: Call, arguments: Arguments) -> Result:
    await call.become_task(required=True)
    await asyncio.sleep(STEP_S)
    raise RpcError(INVALID_PARAMS, "The job ran into a protocol error on purpose.")


async def confirm_delete(call: Call, arguments: Arguments) -> Result:
    await call.become_task(required=True)
    answer = await call.ask("confirm", elicit(f"Delete {arguments.get('filename', 'it')}?", CONFIRM_FORM))
    return said(f"Deleted: {answer.get('content', {}).get('confirm', False)}")


async def multi_input(call: Call, arguments: Arguments) -> Result:
    await call.become_task(required=True)
    answers = await call.ask_all({"name": elicit("Name?", NAME_FORM), "confirm": elicit("Sure?", CONFIRM_FORM)})
    return said(f"{len(answers)} answers")


async def tool_with_task(call: Call, arguments: Arguments) -> Result:
    answer = await call.ask("user_name", elicit("What is your name?", NAME_FORM))
    await call.become_task(required=True)
    await asyncio.sleep(STEP_S)
    return said(f"Hello, {answer.get('content', {}).get('name', 'stranger')}!")


TEXT_INPUT: Final[Mapping[str, Mapping[str, str]]] = {
    "test_sampling": {"prompt": "string"},
    "test_elicitation": {"message": "string"},
    "greet": {"name": "string"},
    "slow_compute": {"seconds": "number", "label": "string"},
    "confirm_delete": {"filename": "string"},
}
REQUIRED: Final[Mapping[str, list[str]]] = {
    "test_sampling": ["prompt"],
    "test_elicitation": ["message"],
    "greet": ["name"],
}

JSON_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
HEADER_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
}

RUNS: Final = {
    "test_simple_text": simple_text,  # the suite calls the first of the list without arguments
    "test_image_content": image_content,
    "test_audio_content": audio_content,
    "test_embedded_resource": embedded_resource,
    "test_multiple_content_types": multiple_content_types,
    "test_error_handling": error_handling,
    "test_tool_with_progress": tool_with_progress,
    "test_tool_with_logging": tool_with_logging,
    "test_sampling": sampling,
    "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": elicitation_defaults,
    "test_elicitation_sep1330_enums": elicitation_enums,
    "test_reconnection": reconnection,
    "test_missing_capability": missing_capability,
    "test_streaming_elicitation": streaming_elicitation,
    "test_logging_tool": logging_tool,
    "test_input_required_result_elicitation": asks_elicitation,
    "test_input_required_result_sampling": asks_sampling,
    "test_input_required_result_list_roots": asks_roots,
    "test_input_required_result_request_state": keeps_state,
    "test_input_required_result_multiple_inputs": asks_several,
    "test_input_required_result_multi_round": asks_twice,
    "test_input_required_result_tampered_state": keeps_state,
    "test_input_required_result_capabilities": asks_what_is_declared,
    "greet": greet,
    "slow_compute": slow_compute,
    "failing_job": failing_job,
    "protocol_error_job": protocol_error_job,
    "confirm_delete": confirm_delete,
    "multi_input": multi_input,
    "test_tool_with_task": tool_with_task,
}


def entry(name: str, run: Any, schema: Mapping[str, Any]) -> ToolEntry:
    listing = {"name": name, "description": f"Conformance fixture: {name}.", "inputSchema": schema}
    return ToolEntry(listing=listing, run=run)


def schema_of(name: str) -> dict[str, Any]:
    properties = {each: {"type": kind} for each, kind in TEXT_INPUT.get(name, {}).items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return schema | ({"required": REQUIRED[name]} if name in REQUIRED else {})


def tools(hub: Hub) -> dict[str, ToolEntry]:
    """All of them, in the order in which they are listed."""

    async def trigger_tool_change(call: Call, arguments: Arguments) -> Result:
        hub.publish(TOOLS)
        return said("Tools changed.")

    async def trigger_prompt_change(call: Call, arguments: Arguments) -> Result:
        hub.publish(PROMPTS)
        return said("Prompts changed.")

    entries = {name: entry(name, run, schema_of(name)) for name, run in RUNS.items()}
    for name, run in (
        ("test_trigger_tool_change", trigger_tool_change),
        ("test_trigger_prompt_change", trigger_prompt_change),
    ):
        entries[name] = entry(name, run, {"type": "object", "properties": {}})
    entries["json_schema_2020_12_tool"] = entry("json_schema_2020_12_tool", simple_text, JSON_SCHEMA)
    entries["test_x_mcp_header"] = entry("test_x_mcp_header", simple_text, HEADER_SCHEMA)
    return entries
