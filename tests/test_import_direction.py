"""The house: a file imports from lower floors or from its own folder, and nothing goes in circles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import evanalytics

HOME = Path(evanalytics.__file__).parent
FLOORS = {
    "exceptions": 1, "durations": 1, "clock": 1, "event": 1, "records": 1, "compiled": 1, "parts": 1, "kernel": 1,
    "plots": 1,
    "logs": 2, "bloom": 2, "batching": 2, "throttling": 2,
    "filters": 3, "delivery": 3,
    "service": 4, "replay": 4, "tuning": 4,
    "publisher": 5, "lookup": 5, "streams": 5, "report": 5,
    "widgets": 6, "app": 7, "cli": 8,
}  # fmt: skip
GROUND = {
    "exceptions": 0,
    "durations": 1,
    "clock": 2,
    "event": 2,
    "records": 2,
    "compiled": 2,
    "parts": 2,
    "kernel": 2,
}
HEAVY = {"duckdb", "plotly", "ipywidgets", "anywidget", "numba", "starlette", "pyspark", "httpx", "IPython"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(HOME.rglob("*.py")):
        parts = path.relative_to(HOME).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            yield name, path


def imports(path: Path) -> Iterator[str]:
    """Yield our own modules that a file imports, those for type hints included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("evanalytics"):
            below = node.module.removeprefix("evanalytics").lstrip(".")
            yield from [below] if below else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("evanalytics."):
                    yield alias.name.removeprefix("evanalytics.")


def room(module: str) -> str:
    return module.split(".")[0]


def test_every_room_has_a_floor() -> None:
    assert {room(name) for name, _ in modules()} <= set(FLOORS)


def test_imports_go_down_or_stay_in_the_folder() -> None:
    wrong = [
        f"{name} (floor {FLOORS[room(name)]}) imports {other} (floor {FLOORS[room(other)]})"
        for name, path in modules()
        for other in imports(path)
        if room(other) != room(name)
        and (FLOORS[room(other)], GROUND.get(room(other), 9))
        >= (FLOORS[room(name)], GROUND.get(room(name), 9))
    ]

    assert wrong == []


def test_pictures_import_nothing_of_ours() -> None:
    outside = {other for name, path in modules() if room(name) == "plots" for other in imports(path)}

    assert {other for other in outside if room(other) not in ("plots", "exceptions")} == set()


def test_no_import_goes_in_a_circle() -> None:
    known = dict(modules())
    graph = {name: {other for other in imports(path) if other in known} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"circle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_nobody_imports_private_names_of_another_folder() -> None:
    wrong = [
        f"{name}: {alias.name}"
        for name, path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.startswith("evanalytics")
        and room(node.module.removeprefix("evanalytics.")) != room(name)
        for alias in node.names
        if alias.name.startswith("_")
    ]

    assert wrong == []


def test_heavy_libraries_are_not_imported_at_the_top_of_ground_rooms() -> None:
    light = {
        name: path for name, path in modules() if room(name) in ("logs", "batching", "throttling", "delivery")
    }
    wrong = [
        f"{name} imports {module}"
        for name, path in light.items()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if module.split(".")[0] in HEAVY
    ]

    assert wrong == []
