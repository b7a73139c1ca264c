"""The part of Cosmos DB's SQL that the peer understands, as functions over documents; anything else is a syntax error.

`SELECT [TOP n] * | c.a.b [AS x], … | VALUE c.a | VALUE COUNT(1) FROM c [WHERE …] [ORDER BY c.a [DESC], …]
[OFFSET n LIMIT m]`, with `= != <> < <= > >= IN AND OR NOT`, `IS_DEFINED`, `IS_NULL`, `STARTSWITH`, `ARRAY_CONTAINS`,
literals and `@parameters`. As in the service, comparing values of different types is undefined and so never true.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Evaluate = Callable[[Mapping[str, Any]], Any]


class _Undefined:
    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Any = _Undefined()
"""What a path gives that is not in the document."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<name>@?[A-Za-z_]\w*)"""
    r"""|(?P<sign><=|>=|!=|<>|[=<>(),.*\[\]]))"""
)
_COMPARE = {"=": operator.eq, "!=": operator.ne, "<>": operator.ne}
_ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "IS_DEFINED": lambda value: value is not UNDEFINED,
    "IS_NULL": lambda value: value is None,
    "STARTSWITH": lambda text, start: _both_text(text, start) and text.startswith(start),
    "ARRAY_CONTAINS": lambda values, value: isinstance(values, list) and value in values,
}


class QuerySyntaxError(Exception):
    """Not of the subset."""


@dataclass(frozen=True)
class Query:
    """A query that was read: a filter, an order as paths (with True where it descends), a projection, and a window."""

    where: Evaluate
    order: Sequence[tuple[tuple[str, ...], bool]]
    project: Evaluate
    count: bool = False
    offset: int = 0
    limit: int | None = None

    def sort_key(self, document: Mapping[str, Any]) -> list[Any]:
        """Give what the order compares, in a form that JSON keeps."""
        return [_rank(look_up(document, path)) for path, _ in self.order]

    def compare(self, one: Sequence[Any], other: Sequence[Any]) -> int:
        """Compare two sort keys, which end with the document's own number."""
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                descending = index < len(self.order) and self.order[index][1]
                return 1 if (left < right) == descending else -1
        return 0


def look_up(document: Any, path: Sequence[str]) -> Any:
    """Follow a path of property names."""
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            return UNDEFINED
        document = document[name]
    return document


def parse(text: str, parameters: Sequence[Mapping[str, Any]] = ()) -> Query:
    """Read a query with its parameters. Raises QuerySyntaxError."""
    return _Parser(text, parameters).query()


def parse_condition(text: str) -> Evaluate:
    """Read the condition of a patch: `from c where …`."""
    parser = _Parser(text, ())
    parser.from_clause()
    parser.expect("WHERE")
    condition = parser.any_of()
    parser.end()
    return condition


def _both_text(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _rank(value: Any) -> list[Any]:
    """Order values of different types as the service does."""
    if value is UNDEFINED:
        return [0, 0]
    if value is None:
        return [1, 0]
    if isinstance(value, bool):
        return [2, value]
    if isinstance(value, int | float):
        return [3, value]
    return [4, value] if isinstance(value, str) else [5, json.dumps(value, sort_keys=True)]


def _compared(sign: str, left: Any, right: Any) -> Any:
    if UNDEFINED in (left, right):
        return UNDEFINED
    (kind, _), (other, _) = _rank(left), _rank(right)
    if kind != other:
        return UNDEFINED
    if sign in _COMPARE:
        return _COMPARE[sign](left, right)
    return _ORDERED[sign](left, right) if kind in (2, 3, 4) else UNDEFINED


class _Parser:
    """Recursive descent over the tokens; each method reads one rule."""

    def __init__(self, text: str, parameters: Sequence[Mapping[str, Any]]) -> None:
        self._parameters = {one["name"]: one["value"] for one in parameters}
        self._tokens: list[tuple[str, str]] = []
        self._alias = "c"
        at, text = 0, text.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise QuerySyntaxError(f"near '{text[at : at + 20]}'")
            self._tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
            at = match.end()

    def query(self) -> Query:
        self.expect("SELECT")
        top = int(self._next("number")) if self._take("TOP") else None
        projection = self._set_projection_apart()
        after, self._tokens = self._tokens, projection
        project, count = self._projection()
        self.end()
        self._tokens = after
        where = self.any_of() if self._take("WHERE") else lambda _: True
        order = self._order() if self._take("ORDER") else []
        offset, limit = 0, top
        if self._take("OFFSET"):
            offset = int(self._next("number"))
            self.expect("LIMIT")
            limit = int(self._next("number"))
        self.end()
        return Query(where, order, project, count, offset, limit)

    def _set_projection_apart(self) -> list[tuple[str, str]]:
        """Take the projection out and read FROM, whose alias the projection needs."""
        words = [word.upper() for _, word in self._tokens]
        if "FROM" not in words:
            raise QuerySyntaxError("FROM is missing")
        at = words.index("FROM")
        projection, self._tokens = self._tokens[:at], self._tokens[at:]
        self.from_clause()
        return projection

    def from_clause(self) -> None:
        self.expect("FROM")
        self._alias = self._next("name")
        if (
            self._tokens
            and self._tokens[0][0] == "name"
            and self._tokens[0][1].upper() not in ("WHERE", "ORDER", "OFFSET")
        ):
            self._alias = self._next("name")

    def _projection(self) -> tuple[Evaluate, bool]:
        if self._take("*"):
            return dict, False
        if self._take("VALUE"):
            if self._take("COUNT"):
                for sign in ("(", "1", ")"):
                    self.expect(sign)
                return (lambda _: 1), True
            return self._operand(), False
        fields: dict[str, Evaluate] = {}
        while True:
            path = self._path()
            name = self._next("name") if self._take("AS") else path[-1]
            fields[name] = lambda document, path=path: look_up(document, path)
            if not self._take(","):
                return (lambda d: {k: v for k, get in fields.items() if (v := get(d)) is not UNDEFINED}), False

    def _order(self) -> list[tuple[tuple[str, ...], bool]]:
        self.expect("BY")
        order = []
        while True:
            path = self._path()
            descending = self._take("DESC")
            if not descending:
                self._take("ASC")
            order.append((path, descending))
            if not self._take(","):
                return order

    def any_of(self) -> Evaluate:
        parts = [self._all_of()]
        while self._take("OR"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda document: any(part(document) is True for part in parts)

    def _all_of(self) -> Evaluate:
        parts = [self._not()]
        while self._take("AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda document: all(part(document) is True for part in parts)

    def _not(self) -> Evaluate:
        if self._take("NOT"):
            inner = self._not()
            return lambda document: UNDEFINED if (value := inner(document)) is UNDEFINED else not value
        if self._take("("):
            inner = self.any_of()
            self.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Evaluate:
        left = self._operand()
        if self._take("IN"):
            values = self._arguments()
            return lambda document: any(_compared("=", left(document), value(document)) is True for value in values)
        if self._tokens and self._tokens[0][1] in (*_COMPARE, *_ORDERED):
            sign = self._next("sign")
            right = self._operand()
            return lambda document: _compared(sign, left(document), right(document))
        return left

    def _operand(self) -> Evaluate:
        kind, word = self._tokens[0] if self._tokens else ("", "the end")
        if kind == "name" and word.upper() in _FUNCTIONS:
            function = _FUNCTIONS[self._next("name").upper()]
            arguments = self._arguments()
            return lambda document: function(*(argument(document) for argument in arguments))
        if kind == "name" and word == self._alias:
            path = self._path()
            return lambda document: look_up(document, path)
        value = self._literal(kind, word)
        self._tokens.pop(0)
        return lambda _: value

    def _literal(self, kind: str, word: str) -> Any:
        constants = {"true": True, "false": False, "null": None}
        if kind == "name" and word in self._parameters:
            return self._parameters[word]
        if kind == "name" and word.lower() in constants:
            return constants[word.lower()]
        if kind == "number":
            return float(word) if "." in word else int(word)
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        raise QuerySyntaxError(f"near '{word}'")

    def _arguments(self) -> list[Evaluate]:
        self.expect("(")
        arguments = [self._operand()]
        while self._take(","):
            arguments.append(self._operand())
        self.expect(")")
        return arguments

    def _path(self) -> tuple[str, ...]:
        if self._next("name") != self._alias:
            raise QuerySyntaxError(f"a path begins with {self._alias}")
        names = []
        while self._tokens and self._tokens[0][1] in (".", "["):
            if self._next("sign") == ".":
                names.append(self._next("name"))
            else:
                names.append(self._next("text")[1:-1])
                self.expect("]")
        return tuple(names)

    def _take(self, word: str) -> bool:
        if self._tokens and self._tokens[0][0] != "text" and self._tokens[0][1].upper() == word:
            self._tokens.pop(0)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self._take(word):
            raise QuerySyntaxError(f"{word} is missing near '{self._tokens[0][1] if self._tokens else 'the end'}'")

    def _next(self, kind: str) -> str:
        if not self._tokens or self._tokens[0][0] != kind:
            raise QuerySyntaxError(f"a {kind} is missing")
        return self._tokens.pop(0)[1]

    def end(self) -> None:
        if self._tokens:
            raise QuerySyntaxError(f"near '{self._tokens[0][1]}'")
