"""The official A2A SDK as client: what it takes for granted must be there."""

import asyncio

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.client.helpers import create_text_message_object
from a2a.types import Message, Role, TaskIdParams, TaskQueryParams, TaskState


def text_of(parts):
    return "".join(part.root.text for part in parts)


def with_client(agent, talk, streaming=True):
    """Runs `talk(client)` with a client made from the agent's own card."""

    async def run():
        async with httpx.AsyncClient(timeout=30) as http:
            card = await A2ACardResolver(http, agent.url).get_agent_card()
            card.url = agent.url  # the test does not resolve the container's name
            config = ClientConfig(httpx_client=http, streaming=streaming)
            return await talk(ClientFactory(config).create(card))

    return asyncio.run(run())


async def say(client, text):
    return [event async for event in client.send_message(create_text_message_object(Role.user, text))]


def test_message_send(start):
    events = with_client(start(), lambda client: say(client, "hello"), streaming=False)
    assert len(events) == 1
    assert isinstance(events[0], Message)
    assert events[0].role == Role.agent
    assert text_of(events[0].parts) == "hello"


def test_message_stream(start):
    events = with_client(start(command="printf one; sleep 0.2; printf two"), lambda c: say(c, "go"))
    task, last = events[-1]
    assert task.status.state == TaskState.completed
    assert last.final is True
    assert "".join(text_of(artifact.parts) for artifact in task.artifacts) == "onetwo"
    assert len(events) >= 4


def test_get_and_cancel_of_a_running_task(start):
    async def talk(client):
        stream = client.send_message(create_text_message_object(Role.user, "go"))
        task, _ = await anext(stream)
        seen = await client.get_task(TaskQueryParams(id=task.id))
        canceled = await client.cancel_task(TaskIdParams(id=task.id))
        async for task, last in stream:
            pass
        return seen, canceled, task

    seen, canceled, last = with_client(start(command="sleep 60"), talk)
    assert seen.status.state == TaskState.working
    assert canceled.id == seen.id
    assert last.status.state == TaskState.canceled


def test_errors_of_the_protocol_arrive_as_such(start):
    async def talk(client):
        with pytest.raises(A2AClientJSONRPCError) as caught:
            await client.get_task(TaskQueryParams(id="7c9e6679-7425-40de-944b-e07fc1f90ae7"))
        return caught.value

    assert with_client(start(), talk).error.code == -32001
