"""The HTTP interface as data: each way to ask, its parameters and their limits; and from the same data its OpenAPI description."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tokenspace import __version__
from tokenspace.errors import ArgumentError
from tokenspace.explorer import columns, comparing, exercises, layers, lists, maps, pairs
from tokenspace.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenspace.explorer.attending import Attentive
    from tokenspace.explorer.opened import Opened, Tables

ROOT = "/api/v1"
MOST = 1000
"""The largest k: what a page can show and a person read."""
LONGEST = 32_768
"""Characters of a text that is asked for; a vector of 2,048 numbers fits."""
MANY = 512
"""Ids or queries in one call."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its type, default (None: it must be given), limits."""

    name: str
    kind: type
    default: Any = None
    least: float | None = None
    most: float | None = None
    among: tuple[str, ...] = ()
    many: bool = False
    what: str = ""

    def read(self, given: Mapping[str, Any]) -> Any:
        """Return the value given, held against type and limits.

        Raises
        ------
        ArgumentError
            If it is missing, of another type, or outside the limits.
        """
        if self.name not in given or (self.many and given[self.name] == []):
            if self.default is None:
                raise self._wrong(seen="nothing")
            return self.default
        value = given[self.name]
        if self.many:
            if not isinstance(value, list) or len(value) > MANY:
                raise self._wrong(str(len(value)) if isinstance(value, list) else type(value).__name__)
            return [self._one(each) for each in value]
        return self._one(value)

    def _one(self, value: Any) -> Any:
        if self.kind is str:
            if not isinstance(value, str) or len(value) > LONGEST:
                raise self._wrong(f"{len(value):,} characters" if isinstance(value, str) else repr(value)[:60])
            read: Any = value
        elif self.kind is bool:
            if value not in {True, False, "true", "false", "0", "1", ""}:
                raise self._wrong(repr(value)[:60])
            read = value in {True, "true", "1"}
        else:
            try:
                read = self.kind(value) if not isinstance(value, bool) else None
                if self.kind is int and not isinstance(value, str) and read != value:
                    read = None
            except (TypeError, ValueError, OverflowError):
                read = None
            low, high = self.least if self.least is not None else -1e300, self.most if self.most is not None else 1e300
            if read is None or not low <= read <= high:
                raise self._wrong(repr(value)[:60])
        if self.among and read not in self.among:
            raise self._wrong(repr(value)[:60])
        return read

    def _wrong(self, seen: str) -> ArgumentError:
        limits = f" in {self.least:g}..{self.most:g}" if self.least is not None and self.most is not None else ""
        kind = (
            " or ".join(self.among)
            if self.among
            else {str: "text", int: "a whole number", float: "a number", bool: "true or false"}[self.kind]
        )
        many = f"up to {MANY} times " if self.many else ""
        message = f"parameter {self.name}: expected {many}{kind}{limits}; seen {seen}"
        return ArgumentError(message)

    def schema(self) -> dict[str, Any]:
        """Return its JSON schema."""
        one: dict[str, Any] = {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[self.kind]}
        one |= {"minimum": self.least} if self.least is not None else {}
        one |= {"maximum": self.most} if self.most is not None else {}
        one |= {"enum": list(self.among)} if self.among else {}
        one |= {"maxLength": LONGEST} if self.kind is str and not self.among else {}
        if self.many:
            return {"type": "array", "items": one, "maxItems": MANY}
        return one | ({"default": self.default} if self.default is not None else {})


@dataclass
class World:
    """What the explorer answers from: its tables, its Transformer, the projections being learnt."""

    tables: Tables
    attentive: Attentive
    workshop: maps.Workshop
    boot: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to ask.

    Attributes
    ----------
    path : str
        Below `ROOT`.
    answer : callable
        From the world and the parameters to a document, a `Column`, or text with its media type.
    parameters : tuple of Parameter
    lane : "quick", "search" or "slow"
        Which of the three queues it waits in, so that long work never stands before short.
    method : str
    what : str
        Its summary.
    """

    path: str
    answer: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    lane: str
    method: str = "GET"
    what: str = ""


T = Parameter("t", str, "", what="table, by name; left out, the first")
Q = Parameter("q", str, what="token, expression such as king - man + woman, row id as #12, or vector in brackets")
K = Parameter("k", int, 12, 1, MOST, what="neighbours a list")
OPENING = Parameter("q", str, "", what=f"{Q.what}; left out, what the table opens with")
INCLUDE = Parameter("include_query", bool, default=False, what="whether the query's own tokens may be among its neighbours")
LIVE = Parameter(
    "live", bool, default=False, what="while somebody types: what names nothing yet is answered with status 200, an error, and no spellings"
)
MEASURE = Parameter("measure", str, "cosine", among=MEASURES)
EXERCISE = (Parameter("kind", str, ""), Parameter("seed", int, 0, 0, 2**31), Parameter("level", str, ""))
A, B = (Parameter(name, str, "", what=f"table {name}, by name") for name in "ab")


def _tables(world: World) -> dict[str, Any]:
    missing = world.attentive.why_not()
    return {
        "version": __version__,
        "tables": [one.document() for one in world.tables],
        "projections": maps.available(),
        "attention": {"possible": not missing, "why_not": missing},
        "starts": list(layers.STARTS),
        **world.boot,
    }


def _of(function: Callable[..., Any], **names: str) -> Callable[..., Any]:
    """Adapt a function of one table; `names` are those of its arguments that are called otherwise here."""
    return lambda world, t, **more: function(world.tables[t], **{names.get(name, name): value for name, value in more.items()})


def _near(opened: Opened, q: str, **more: Any) -> dict[str, Any]:
    if not q and more == {"k": K.default, "include_query": INCLUDE.default}:
        return lists.opening(opened)
    return lists.near(opened, q or opened.opening, **more)


def _between(function: Callable[..., Any], **names: str) -> Callable[..., Any]:
    """Adapt a function of two tables."""
    return lambda world, a, b, **more: function(
        _side(world, a, 0), _side(world, b, 1), **{names.get(name, name): value for name, value in more.items()}
    )


def _side(world: World, name: str, place: int) -> Opened:
    every = list(world.tables)
    return world.tables[name] if name or place >= len(every) else every[place]


def _learnt(world: World, t: str, method: str, *, begin: bool = False) -> dict[str, Any]:
    opened = world.tables[t]
    work = world.workshop.begin(opened, method) if begin else world.workshop.find(opened, method)
    return work.document() if work is not None else {"method": method, "state": "none"}


def _stopped(world: World) -> dict[str, Any]:
    world.workshop.stop()
    return {"stopped": True}


def _map(world: World, t: str, method: str, x: str, y: str) -> columns.Column:
    opened = world.tables[t]
    if method == "pca":
        column, document = maps.pca(opened)
    elif method == "axes":
        column, document = maps.named(opened, x, y)
    else:
        work = world.workshop.find(opened, method)
        if work is None or work.column is None:
            message = f"the projection {method} is not there yet"
            raise ArgumentError(message, hint=f"POST {ROOT}/projection begins it")
        column, document = work.column, {"method": method, "axes": ["", ""], "shown": work.shown, "share": None}
    return columns.Column(column.data, column.header | document)


ENDPOINTS = (
    Endpoint("/tables", _tables, (), "search", what="The tables, and what this installation can show"),
    Endpoint("/near", _of(_near),
             (T, OPENING, K, INCLUDE, LIVE), "search", what="Exact neighbours under the three measures"),
    Endpoint("/near", lambda world, t, queries, k: {"answers": [lists.near(world.tables[t], q, k=k) for q in queries]},
             (T, Parameter("queries", str, many=True), K), "slow", "POST", what="The same for several queries"),
    Endpoint("/complete", _of(lists.complete, q="text"),
             (T, Parameter("q", str, ""), Parameter("limit", int, 8, 1, 100)), "quick", what="Tokens that begin with or hold a text"),
    Endpoint("/tokens", _of(lists.tokens), (T, Parameter("ids", int, many=True, least=0, most=2**53)), "quick", what="Tokens of rows"),
    Endpoint("/vector", _of(lists.values, q="text"), (T, Q), "quick", what="The numbers of a vector"),
    Endpoint("/pair", _of(pairs.pair), (T, Parameter("u", str), Parameter("v", str)), "quick", what="All about one pair; identity (12)"),
    Endpoint("/pair.svg", _of(pairs.picture),
             (T, Parameter("u", str), Parameter("v", str)), "quick", what="Fig. 3 of a pair, as SVG"),
    Endpoint("/layer", _of(layers.layer),
             (T, Parameter("tokens", str, many=True), Parameter("weights", float, many=True, least=-1e6, most=1e6)), "search",
             what="z = Wx for an x that is zero but at some tokens"),
    Endpoint("/extend", _of(layers.extended),
             (T, Parameter("tokens", str, many=True), Parameter("init", str, "subtoken-mean", among=layers.STARTS),
              Parameter("parts", str, [], many=True), Parameter("seed", int, 0, 0, 2**31)), "slow", "POST",
             what="The table with new tokens, and the proof that old rows stay; nothing is written"),
    Endpoint("/map", _map, (T, Parameter("method", str, "pca", among=("pca", "axes", *maps.LEARNT)), Parameter("x", str, ""),
             Parameter("y", str, "")), "slow", what="Coordinates of all rows: 16-bit little-endian pairs; X-Column has the scale"),
    Endpoint("/column", _of(columns.coloured), (T, Parameter("name", str)), "slow",
             what="A column as one byte a row; X-Column has the scale"),
    Endpoint("/projection", _learnt, (T, Parameter("method", str)), "quick", what="How far a learnt projection is"),
    Endpoint("/projection", lambda world, t, method: _learnt(world, t, method, begin=True), (T, Parameter("method", str)), "quick", "POST",
             what="Begin a learnt projection"),
    Endpoint("/projection/stop", _stopped, (), "quick", "POST", what="Stop what is being learnt"),
    Endpoint("/compare", _between(comparing.overview), (A, B, MEASURE, Parameter("k", int, 10, 1, 100)), "slow",
             what="How two tables differ"),
    Endpoint("/compare/near", _between(comparing.side_by_side, q="text"),
             (A, B, Q, MEASURE, Parameter("k", int, 10, 1, MOST)), "search", what="One query in two tables"),
    Endpoint("/attention", lambda world, **more: world.attentive.view(**more),
             (Parameter("text", str), Parameter("layer", int, 0, 0, 1000), Parameter("head", int, 0, -1, 1000)), "slow",
             what="Scaled inner products and their softmax between a sentence's tokens"),
    Endpoint("/practice", lambda _world, **more: exercises.asked(**more),
             EXERCISE, "quick",
             what="An exercise on fresh numbers"),
    Endpoint("/practice", lambda _world, **more: exercises.marked(**more),
             (*EXERCISE, Parameter("answer", str)), "quick",
             "POST", what="Mark an answer"),
)  # fmt: skip
"""All of them; a table of values reads better than twenty functions."""


def openapi() -> dict[str, Any]:
    """Return the interface as an OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    failure = {
        "description": "What was expected, what was seen, what to do",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for endpoint in ENDPOINTS:
        operation: dict[str, Any] = {
            "summary": endpoint.what,
            "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/', '_').replace('.', '_')}",
            "responses": {"200": {"description": "The answer"}, "400": failure, "404": failure, "503": failure},
        }
        if endpoint.method == "GET":
            operation["parameters"] = [
                {"name": one.name, "in": "query", "required": one.default is None, "description": one.what, "schema": one.schema()}
                for one in endpoint.parameters
            ]
        elif endpoint.parameters:
            body = {
                "type": "object",
                "properties": {one.name: one.schema() for one in endpoint.parameters},
                "required": [one.name for one in endpoint.parameters if one.default is None],
            }
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        paths.setdefault(ROOT + endpoint.path, {})[endpoint.method.lower()] = operation
    error = {"type": "object", "properties": {name: {"type": "string"} for name in ("type", "message", "hint")}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tokenspace explorer",
            "version": "1",
            "summary": f"tokenspace {__version__}; numbers that do not exist are null",
        },
        "paths": paths,
        "components": {"schemas": {"Error": {"type": "object", "properties": {"error": error}}}},
    }
