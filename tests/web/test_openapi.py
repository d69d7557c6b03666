"""The description of the HTTP interfaces against the code that serves them."""

from pathlib import Path
from typing import Any

import msgspec
import yaml
from aiohttp import web

from gateway.app import control
from gateway.app.asked import Asked
from gateway.app.audited import AuditLog
from gateway.app.backup import Backups
from gateway.app.contracts import Contracts
from gateway.app.rekeying import Rekeying
from gateway.app.restored import Restores
from gateway.app.trusted_clock import TrustedClock
from gateway.web.http import STATIC, Routes, load_page
from gateway.web.picture import SIGNATURES
from gateway.web.service import Viewers
from gateway.web.status import Status
from gateway.web.stream import Event
from tests.simulators.site import SiteProgram

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text())
METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}


def documented(tag: str) -> set[tuple[str, str]]:
    return {
        (method, path)
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if method in METHODS and tag in operation["tags"]
    }


def without_prose(schema):
    """The schema without titles and descriptions of types, which a document words for readers."""
    if isinstance(schema, dict):
        return {
            key: without_prose(value)
            for key, value in schema.items()
            if not (key in {"title", "description"} and isinstance(value, str))
        }
    return [without_prose(value) for value in schema] if isinstance(schema, list) else schema


def routes(application: web.Application) -> set[tuple[str, str]]:
    return {
        (route.method.lower(), route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None
    }


def with_heads(operations: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """HEAD comes along with every GET; only the stream answers it in its own way."""
    return operations | {("head", path) for method, path in operations if method == "get"}


async def test_every_route_of_the_page_is_documented_and_no_other():
    served = routes(Routes(SiteProgram(), load_page(), Viewers(1)).application())
    assert served == with_heads(documented("page"))


async def test_every_route_of_the_control_socket_is_documented_and_no_other():
    nothing: Any = None  # routes are made without asking anybody
    more = [
        *TrustedClock(nothing, nothing, nothing).routes(),
        *Asked(nothing).routes(),
        *AuditLog(nothing, nothing, nothing, nothing, nothing).routes(),
        *Contracts(nothing).routes(),
        *Rekeying(nothing, nothing, nothing, nothing, nothing, nothing, nothing).routes(),
        *Backups(nothing, nothing, nothing, nothing).routes(),
        *Restores(nothing, nothing, nothing).routes(),
    ]  # as in app/run.py
    served = routes(control.Routes(nothing, nothing, nothing, more).application())
    assert served == with_heads(documented("control"))


def test_the_status_document_is_the_one_that_is_served():
    _, derived = msgspec.json.schema_components(
        [Event, Status], ref_template="#/components/schemas/{name}"
    )
    written = DOCUMENT["components"]["schemas"]
    assert {name: without_prose(written[name]) for name in derived} == without_prose(derived)


def test_the_files_and_picture_types_are_those_that_are_served():
    static = DOCUMENT["paths"]["/static/{name}"]["get"]
    assert set(static["parameters"][0]["schema"]["enum"]) == set(STATIC)
    assert set(static["responses"]["200"]["content"]) == set(STATIC.values())
    picture = DOCUMENT["paths"]["/alerts/{alert}/{number}.png"]["get"]
    assert set(picture["responses"]["200"]["content"]) == set(SIGNATURES)


def test_every_reference_in_the_document_leads_somewhere():
    def references(part):
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    found = list(references(DOCUMENT))
    assert len(found) > 10
    for reference in found:
        target = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
