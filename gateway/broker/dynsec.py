"""Live access control: requests to mosquitto's dynamic-security plugin, one at a time.

Cutting a device: replace its role, await the answer, only then store the new state.
Answers are told apart by ``correlationData``. One command a request: a long request
stops the whole broker (measured: 4.5 s for 401 devices).
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway.broker.mqtt import Link
from gateway.broker.roles import (
    Document,
    client,
    mapped_role,
    no_topics,
    quarantine_role,
    role_names,
)
from gateway.model.access import Access
from gateway.model.delivery import Delivery
from gateway.model.errors import OperatorFaultError
from gateway.model.identity import DeviceId

CONTROL: Final = "$CONTROL/dynamic-security/v1"
ANSWER_LIMIT_S: Final = 5.0
EXISTS: Final = "already exists"


class AccessChangeError(OperatorFaultError):
    """The broker did not answer a change of access: what it did is unknown."""


class AccessRefusedError(OperatorFaultError):
    """The broker answered, and refused a change of access."""


class Answer(msgspec.Struct):
    """One entry of the plugin's ``responses``."""

    command: str
    correlationData: str = ""  # noqa: N815 -- the plugin's spelling
    error: str = ""
    data: dict[str, Any] = {}


class _Named(msgspec.Struct):
    rolename: str


class _Listed(msgspec.Struct):
    username: str
    roles: list[_Named] = []


class _Rule(msgspec.Struct):
    acltype: str
    topic: str


class _Role(msgspec.Struct):
    rolename: str
    acls: list[_Rule] = []


def _rules_of(role: Document) -> set[tuple[str, str]]:
    return {(rule["acltype"], rule["topic"]) for rule in role["acls"]}


class Answers(msgspec.Struct):
    """The plugin's answer."""

    responses: list[Answer]


class Dynsec:
    """Requests over a link of their own, so that no data stands before a change of access.

    ``run`` must run for them to be answered; ``other`` gets what else the link hears.
    """

    def __init__(
        self,
        link: Link,
        other: Callable[[Delivery], None] = lambda _: None,
        topics: Callable[[DeviceId], Iterable[str]] = no_topics,
    ) -> None:
        self._topics = topics
        self._link = link
        self._other = other
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._echo: asyncio.Future[None] | None = None

    async def subscribe(self) -> None:
        """Hear the plugin's answers and the gateway's own echo."""
        await self._link.subscribe(f"{CONTROL}/response", 1)
        await self._link.subscribe("gateway/echo", 0)

    async def run(self) -> None:
        """Hand answers to their requests until cancelled or disconnected."""
        while True:
            deliveries = await self._link.take(100, None)
            self._link.acknowledge([delivery.token for delivery in deliveries])
            for delivery in deliveries:
                if delivery.topic == "gateway/echo":
                    if self._echo is not None and not self._echo.done():
                        self._echo.set_result(None)
                    continue
                if delivery.topic != f"{CONTROL}/response":
                    self._other(delivery)
                    continue
                for answer in msgspec.json.decode(delivery.payload, type=Answers).responses:
                    future = self._waiting.pop(answer.correlationData, None)
                    if future is not None and not future.done():
                        future.set_result(answer)

    async def echo(self) -> None:
        """Return when a message went to the broker and came back: it really serves.

        Raises:
            AccessChangeError: it did not come back within the limit.
        """
        self._echo = asyncio.get_running_loop().create_future()
        await self._link.publish("gateway/echo", b"")
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self._echo
        except TimeoutError as error:
            msg = f"the broker did not return the gateway's own message in {ANSWER_LIMIT_S:g} s"
            raise AccessChangeError(msg) from error

    async def _request(self, command: str, fields: Document, excused: str = "") -> Answer:
        """Return the plugin's answer; an error that contains ``excused`` is one that we expect."""
        number = str(next(self._numbers))
        body = {"commands": [{"command": command, "correlationData": number, **fields}]}
        async with self._one_at_a_time:
            future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._waiting[number] = future
            await self._link.publish(CONTROL, msgspec.json.encode(body))
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    answer = await future
            except TimeoutError as error:
                msg = f"the broker did not answer {command}; what it did is unknown"
                raise AccessChangeError(msg) from error
            finally:
                self._waiting.pop(number, None)
        if answer.error and not (excused and excused in answer.error):
            msg = f"the broker refused {command}: {answer.error}"
            raise AccessRefusedError(msg)
        return answer

    async def add(self, device: DeviceId, access: Access) -> None:
        """Make the device's two roles and its client; what is there already stays.

        Crash: cut off half-way, the next ``reconcile`` adds it again.
        """
        await self._request("createRole", mapped_role(device, self._topics(device)), EXISTS)
        await self._request("createRole", quarantine_role(device), EXISTS)
        await self._request("createClient", client(device, access), EXISTS)

    async def change(self, device: DeviceId, access: Access) -> None:
        """Give the device the role of ``access``, and cut its connection.

        When this returns, the broker refuses what the old role allowed.
        """
        await self._request("modifyClient", client(device, access))

    async def granted(self) -> dict[str, set[str]]:
        """Return the roles of each user name that the broker knows."""
        answer = await self._request("listClients", {"verbose": True, "count": -1, "offset": 0})
        listed = msgspec.convert(answer.data.get("clients", []), list[_Listed])
        return {one.username: {role.rolename for role in one.roles} for one in listed}

    async def _rules(self) -> dict[str, set[tuple[str, str]]]:
        """Return what each role that the broker knows allows, as (kind, topic)."""
        answer = await self._request("listRoles", {"verbose": True, "count": -1, "offset": 0})
        roles = msgspec.convert(answer.data.get("roles", []), list[_Role])
        return {one.rolename: {(acl.acltype, acl.topic) for acl in one.acls} for one in roles}

    async def reconcile(self, devices: Mapping[DeviceId, Access]) -> None:
        """Give each device the role of its access, where the broker grants another or none.

        Whoever has the right role already keeps its connection. So a broker that runs on
        while the gateway does not (``external``) cannot keep an access that was taken away,
        nor rules that have changed: those of a topic map, or of an earlier release.
        """
        granted = await self.granted()
        rules = await self._rules()
        for device, access in devices.items():
            for role in (mapped_role(device, self._topics(device)), quarantine_role(device)):
                if rules.get(role["rolename"], _rules_of(role)) != _rules_of(role):
                    await self._request("modifyRole", role)
            if device not in granted:
                await self.add(device, access)
            elif granted[device] != role_names(device, access):
                await self.change(device, access)
