"""Random events and filters that meet each other often: the same few paths and values in both."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from evanalytics.event import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ["order.created", "order.paid", "Ördér", "a'b\"c"]
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "b",
    "é",
    "e\u0301",
    "ß",
    "SS",
    "\U0001f600",
    "a\nb",
    "%",
    "_",
    "1",
    "null",
    "K",
    "\u212a",
    "'; --",
    "\x00",
]
WHOLE = [0, 1, -1, 2, 3, 5, -7, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FRACTIONS = [0.0, -0.0, 1.0, 1.5, -1.5, 2.0, 5.0, 1e300, float(2**53), 1e18]
BEYOND = [2**63, 2**64, -(2**70), 10**30]
PATTERNS = [
    "a",
    "^a",
    "b$",
    "^$",
    "a.b",
    "(?s)a.b",
    "[^a]",
    "a|é",
    "^ab?$",
    "\\d",
    "\\w",
    "\\W",
    "^.$",
    "\\bb",
    "k",
    "s+",
    "",
    "(?m)^b",
]
PLAIN = ["whole", "fraction", "text", "flag", "in.text", "in.deep.whole", "gap"]
WILD = [
    "mixed",
    "list",
    "objects",
    "objects.p",
    "objects.0",
    "list.1",
    "object",
    "object.k",
    "null",
    "nan",
    "map.x",
    "empty",
    "objects.list",
]
ABSENT = ["nowhere", "text.below", "in.nowhere"]


class Randoms:
    """Draws events and filter documents from one seed."""

    def __init__(self, seed: int, *, wild: bool) -> None:
        self._random = random.Random(seed)
        self._wild = wild

    def event(self, number: int) -> Event:
        time = START + timedelta(
            seconds=self._random.choice([0, 1, 2, 60, 3600]), microseconds=self._random.choice([0, 1])
        )
        subject = self._random.choice([None, "a", "b"])
        return Event(
            id=f"e{number}",
            type=self._pick(TYPES),
            source=self._pick(["web", "app"]),
            time=time,
            data=self.data(),
            subject=subject,
        )

    def data(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "whole": self._pick(WHOLE),
            "fraction": self._pick(FRACTIONS),
            "text": self._pick(TEXTS),
            "flag": self._pick([True, False]),
            "in": {"text": self._pick(TEXTS), "deep": {"whole": self._pick(WHOLE)}},
            "gap": self._pick(["x", "y"]),
        }
        fields |= self._wild_fields() if self._wild else {}
        return {key: value for key, value in fields.items() if self._random.random() < 0.8}

    def _wild_fields(self) -> dict[str, Any]:
        return {
            "mixed": self.value(2),
            "list": [self.scalar() for _ in range(self._random.randrange(4))],
            "objects": [
                self._pick(
                    [
                        {"p": self.scalar(), "q": self.scalar()},
                        {},
                        {"list": [1, self.scalar()]},
                        self.scalar(),
                        [self.scalar()],
                    ]
                )
                for _ in range(self._random.randrange(3))
            ],
            "object": {"k": self.scalar()} if self._random.random() < 0.7 else {"j": 1, "k": self.scalar()},
            "null": self._pick([None, 1, 2]),
            "nan": self._pick([float("nan"), 1.5, None, 2.5]),
            "map": self._pick([{"x": 1}, {"x": [1, 2]}, 5]),
            "empty": self._pick([{}, []]),
        }

    def scalar(self) -> Any:
        return self._pick([None, True, False, *WHOLE[:6], *FRACTIONS[:6], *TEXTS[:9]])

    def value(self, depth: int) -> Any:
        if depth and self._random.random() < 0.3:
            return [self.value(depth - 1) for _ in range(self._random.randrange(3))]
        if depth and self._random.random() < 0.2:
            return {
                key: self.value(depth - 1) for key in self._random.sample("kjp", self._random.randrange(3))
            }
        return self.scalar()

    def filter(self, depth: int = 3) -> dict[str, Any]:
        kind = self._random.random()
        if depth and kind < 0.35:
            return {
                self._pick(["$and", "$or", "$nor"]): [
                    self.filter(depth - 1) for _ in range(self._random.randrange(1, 4))
                ]
            }
        return dict(self._entry() for _ in range(self._random.randrange(1, 3)))

    def _entry(self) -> tuple[str, Any]:
        path = self._pick(["type", "source", "subject", "id", "time", *(3 * self._paths())])
        if path == "time":
            return path, {self._pick(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]): self._instant()}
        return path if "." in path or path in (
            "type",
            "source",
            "subject",
            "id",
        ) else f"data.{path}", self.condition(path)

    def _paths(self) -> list[str]:
        return [f"data.{path}" for path in PLAIN + ABSENT + (WILD if self._wild else [])]

    def _instant(self) -> str:
        return (
            START
            + timedelta(seconds=self._random.choice([0, 1, 30]), microseconds=self._random.choice([0, 1]))
        ).isoformat()

    def condition(self, path: str, depth: int = 1) -> Any:
        if self._random.random() < 0.2:
            return self.literal(path)
        return dict(self._operator(path, depth) for _ in range(self._random.choice([1, 1, 2])))

    def literal(self, path: str) -> Any:
        if path in ("type", "source", "subject", "id"):
            return self._pick([*TYPES, "web", "a", "e1", None, 5])
        usual = {
            "whole": WHOLE,
            "fraction": FRACTIONS,
            "text": TEXTS,
            "flag": [True, False],
            "gap": ["x", "y"],
        }
        if self._random.random() < 0.6 and (values := usual.get(path.split(".")[-1])):
            return self._pick(values)
        return self._pick(
            [
                self.value(1),
                self._pick(WHOLE + FRACTIONS + BEYOND),
                self._pick([float("inf"), -1e400, 2.5, None]),
            ]
        )

    def _operator(self, path: str, depth: int) -> tuple[str, Any]:
        name = self._pick(
            [
                "$eq",
                "$ne",
                "$gt",
                "$gte",
                "$lt",
                "$lte",
                "$in",
                "$nin",
                "$exists",
                "$not",
                "$regex",
                "$size",
                "$all",
                "$elemMatch",
                "$mod",
            ]
        )
        if name in ("$in", "$nin", "$all"):
            return name, [self.literal(path) for _ in range(self._random.choice([0, 1, 2, 3, 20]))]
        if name == "$exists":
            return name, self._pick([True, False])
        if name == "$not":
            return name, dict([self._operator(path, depth)])
        if name == "$regex":
            return name, self._pick(PATTERNS)
        if name == "$size":
            return name, self._random.randrange(3)
        if name == "$mod":
            return name, [self._pick([2, 3, -3, 4.5]), self._pick([0, 1, -1, 2])]
        if name == "$elemMatch":
            return name, self._element(depth)
        return name, self.literal(path)

    def _element(self, depth: int) -> dict[str, Any]:
        if self._random.random() < 0.5:
            return {self._pick(["p", "q", "list", "0"]): self.condition("mixed", 0) for _ in range(2)}
        if depth:
            return dict([self._operator("mixed", depth - 1)])
        return {"$gt": self.scalar()}

    def _pick(self, choices: list[Any]) -> Any:
        return self._random.choice(choices)
