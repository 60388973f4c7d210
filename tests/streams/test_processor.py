"""A replay of a graph: rows of every output, counts that add up, sinks, traces."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import PolicyError, StreamError
from evanalytics.streams.graph import NodeHandle
from tests.streams.seed_pipeline import by_hand_in_polars, by_hand_in_sql, order_analytics

START = datetime(2026, 1, 1, tzinfo=UTC)
ENGINES = pytest.mark.parametrize("engine", ["polars", "duckdb"])


def log_of(*rows: tuple[str, float], types: str = "a", **columns: Any) -> ev.EventLog:
    """Return a log of (id, seconds) in the order of arrival."""
    frame = pl.DataFrame(
        {
            "id": [row[0] for row in rows],
            "type": types,
            "source": "s",
            "time": [START + timedelta(seconds=row[1]) for row in rows],
            **{f"data__{name}": values for name, values in columns.items()},
        }
    )
    return ev.EventLog.from_frame(frame)


def counting(window: Any, lateness: str = "0s", **options: Any) -> ev.StreamProcessor:
    processor = ev.StreamProcessor("p")
    node = ev.AggregatorNode(windows=window, aggregator=ev.WindowedCounter(), **options)
    source = processor.add_source("events", watermark=ev.Watermark(lateness))
    source.connect_to(processor.add_node("counts", node))
    return processor


def windows(result: ev.StreamResult) -> list[tuple[float, float, int]]:
    rows = result.results("counts").select("start", "end", "count").rows()
    return [((a - START).total_seconds(), (b - START).total_seconds(), n) for a, b, n in rows]


def late_with(max_jump: str | None, log: ev.EventLog, engine: Any) -> tuple[list[str], ev.StreamResult]:
    processor = ev.StreamProcessor("p")
    mark = ev.Watermark("5s", max_jump=max_jump)
    node = ev.AggregatorNode(windows=ev.TumblingWindow("10s"), aggregator=ev.WindowedCounter())
    processor.add_source("events", watermark=mark).connect_to(processor.add_node("counts", node))
    result = processor.run(log, engine=engine)
    return result.results("counts", "late")["id"].to_list(), result


@ENGINES
def test_one_clock_that_is_years_ahead_makes_nothing_late(engine: Any) -> None:
    log = log_of(("1", 0), ("2", 1e8), ("3", 2), ("4", 9), ("5", 14))

    believed, _ = late_with(None, log, engine)
    held_back, result = late_with("10s", log, engine)

    assert believed == ["3", "4", "5"]
    assert held_back == []
    assert result.count("events", "ahead") == 1


@ENGINES
def test_after_a_gap_the_second_row_is_believed(engine: Any) -> None:
    log = log_of(("1", 0), ("2", 1_000), ("3", 1), ("4", 1_001), ("5", 1_002), ("6", 985))

    late, result = late_with("20s", log, engine)

    assert late == ["3", "6"]
    assert result.count("events", "ahead") == 2  # the row after the gap, and the one after a late row


def test_a_bound_on_jumps_goes_with_one_watermark_for_all_keys() -> None:
    with pytest.raises(PolicyError, match='max_jump: goes with the policy "stream" only'):
        ev.Watermark("1m", "key", max_jump="1d")


@ENGINES
def test_an_event_on_the_edge_belongs_to_the_next_window(engine: Any) -> None:
    result = counting(ev.TumblingWindow("10s")).run(
        log_of(("1", 0), ("2", 9.999999), ("3", 10)), engine=engine
    )

    assert windows(result) == [(0, 10, 2), (10, 20, 1)]


def test_a_row_is_late_once_the_watermark_has_reached_its_windows_end() -> None:
    rows = ("1", 5), ("2", 15), ("3", 9), ("4", 15.000001), ("5", 9)
    result = counting(ev.TumblingWindow("10s"), "5s").run(log_of(*rows))

    assert windows(result) == [(0, 10, 1), (10, 20, 2)]
    assert result.results("counts", "late")["id"].to_list() == ["3", "5"]


def test_a_row_can_be_late_for_a_short_window_and_in_time_for_a_long_one() -> None:
    node = [ev.TumblingWindow("10s"), ev.TumblingWindow("1h")]
    result = counting(node).run(log_of(("1", 30), ("2", 5)))

    late = result.results("counts", "late")
    assert late.select("id", "late_for_window").rows() == [("2", "10s")]
    assert result.count("counts", "counted", "1h · all") == 2


def test_hopping_windows_keep_the_partial_ones_before_the_first_event() -> None:
    result = counting(ev.HoppingWindow("20s", "10s")).run(log_of(("1", 5)))

    assert windows(result) == [(-10, 10, 1), (0, 20, 1)]


def test_a_session_ends_when_the_gap_is_reached() -> None:
    result = counting(ev.SessionWindow("10s"), "1h").run(log_of(("1", 0), ("2", 9), ("3", 19), ("4", 28)))

    assert windows(result) == [(0, 19, 2), (19, 38, 2)]


@ENGINES
def test_days_of_a_zone_have_23_and_25_hours(engine: Any) -> None:
    frame = pl.DataFrame({"id": ["1", "2"], "type": "a", "source": "s", "time": [
        datetime(2026, 3, 8, 12, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC)]})  # fmt: skip
    node = ev.TumblingWindow("1d", tz="America/Chicago")
    rows = counting(node, "1h").run(ev.EventLog.from_frame(frame), engine=engine).results("counts")

    assert [(end - start) / timedelta(hours=1) for start, end in rows.select("start", "end").rows()] == [
        23,
        25,
    ]


def test_what_the_watermark_has_not_closed_stays_open_when_told_so() -> None:
    log = log_of(("1", 1), ("2", 11), ("3", 22))

    assert windows(counting(ev.TumblingWindow("10s"), "2s").run(log, close=False)) == [
        (0, 10, 1),
        (10, 20, 1),
    ]
    assert windows(counting(ev.TumblingWindow("10s"), "2.1s").run(log, close=False)) == [(0, 10, 1)]


@ENGINES
def test_a_join_takes_the_bound_and_not_a_microsecond_more(engine: Any) -> None:
    processor = ev.StreamProcessor("p")
    kinds = {"l": ev.filter({"data.side": "l"}), "r": ev.filter({"data.side": "r"})}
    split = processor.add_source("events").connect_to(processor.add_node("split", ev.FilterNode(kinds)))
    join = processor.add_node("join", ev.JoinNode(left_key="data.k", right_key="data.k", join_window="10s"))
    split.connect_to(join, output="l", input="left")
    split.connect_to(join, output="r", input="right")
    log = log_of(("1", 0), ("2", 10), ("3", 10.000001), side=["l", "r", "r"], k=["a", "a", "a"])

    result = processor.run(log, engine=engine)

    assert result.results("join").select("left__id", "right__id").rows() == [("1", "2")]


def joined(
    rows: list[tuple[str, float]], sides: str, keys: list[str | None], **options: Any
) -> ev.StreamResult:
    processor = ev.StreamProcessor("p")
    kinds = {"l": ev.filter({"data.side": "l"}), "r": ev.filter({"data.side": "r"})}
    source = processor.add_source("events", watermark=ev.Watermark("0s"))
    split = source.connect_to(processor.add_node("split", ev.FilterNode(kinds)))
    node = ev.JoinNode(left_key="data.k", right_key="data.k", join_window="10s", **options)
    join = processor.add_node("join", node)
    split.connect_to(join, output="l", input="left")
    split.connect_to(join, output="r", input="right")
    return processor.run(log_of(*rows, side=list(sides), k=keys))


def test_null_keys_match_nothing_and_are_counted() -> None:
    result = joined([("1", 0), ("2", 0), ("3", 0)], "lrr", [None, None, "a"])

    assert result.count("join", "pairs") == 0
    assert result.count("join", "null key", "left") == 1


def test_a_pair_is_lost_once_the_watermark_has_passed_the_earlier_time_plus_the_window() -> None:
    kept = joined([("1", 0), ("x", 10), ("2", 0)], "lrr", ["a", "b", "a"])
    lost = joined([("1", 0), ("x", 10.000001), ("2", 0)], "lrr", ["a", "b", "a"])

    assert (kept.count("join", "pairs"), lost.count("join", "pairs")) == (1, 0)
    assert lost.count("join", "late", "right") == 1


def test_what_found_no_partner_comes_out_where_pairs_are_not_complete() -> None:
    rows = joined([("1", 0), ("2", 0)], "lr", ["a", "b"], output_complete=False).results("join")

    assert rows.select("left__id", "right__id").rows() == [("1", None), (None, "2")]


@ENGINES
def test_dedupe_lets_the_first_arrival_pass(engine: Any) -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("events").connect_to(processor.add_node("once", ev.DedupeNode("id")))
    result = processor.run(log_of(("1", 5), ("2", 1), ("1", 0)), engine=engine)

    assert result.results("once")["seq"].to_list() == [0, 1]
    assert result.results("once", "duplicate")["seq"].to_list() == [2]


def test_dedupe_forgets_what_the_watermark_has_passed() -> None:
    processor = ev.StreamProcessor("p")
    source = processor.add_source("events", watermark=ev.Watermark("0s"))
    source.connect_to(processor.add_node("once", ev.DedupeNode("id", within="10s")))
    result = processor.run(log_of(("1", 0), ("2", 10), ("1", 1), ("3", 20), ("1", 2)))

    assert result.results("once", "duplicate")["seq"].to_list() == [2]


def test_a_row_goes_to_every_output_it_meets_and_is_counted_by_the_first() -> None:
    processor = ev.StreamProcessor("p")
    both = {"all": ev.filter({"type": "a"}), "one": ev.filter({"id": "1"})}
    processor.add_source("events").connect_to(processor.add_node("split", ev.FilterNode(both)))
    result = processor.run(log_of(("1", 0), ("2", 0)))

    assert len(result.results("split", "one")) == 1
    assert (result.count("split", "first", "all"), result.count("split", "first", "one")) == (2, 0)
    assert result.count("split", "unmatched") == 0


@ENGINES
def test_a_filter_that_only_events_can_decide_is_decided_by_them(engine: Any, tmp_path: Any) -> None:
    path = tmp_path / "tags.ndjson"
    lines = ['["a","b"]', '["c"]', '"a"', "null"]
    path.write_text("".join(
        f'{{"id":"{i}","type":"t","source":"s","time":"2026-01-01T00:00:00Z","data":{{"tags":{tags}}}}}\n'
        for i, tags in enumerate(lines)
    ))  # fmt: skip
    processor = ev.StreamProcessor("p")
    tagged = ev.FilterNode({"a": ev.filter({"data.tags": "a"})})
    processor.add_source("events").connect_to(processor.add_node("tagged", tagged))
    result = processor.run(ev.read_log(path, progress=False), engine=engine)

    assert result.results("tagged", "a")["id"].to_list() == ["0", "2"]


@ENGINES
def test_a_python_column_is_computed_row_by_row(engine: Any) -> None:
    processor = ev.StreamProcessor("p")
    twice = ev.python_column(lambda name, x: f"{name}{name}" if x else None, "id", "data.x", dtype=pl.String)
    processor.add_source("events").connect_to(
        processor.add_node("shape", ev.TransformNode({"t": twice, "x": "data.x"}))
    )
    log = log_of(("1", 0), ("2", 0), x=[1, None])
    result = processor.run(log, engine=engine)

    assert result.results("shape").select("t", "x").rows() == [("11", 1), (None, None)]
    assert "slow path" in " ".join(processor.explain(log)["remark"])


def test_an_original_event_can_be_had_again() -> None:
    processor = ev.StreamProcessor("p")
    processor.add_source("events").connect_to(
        processor.add_node("shape", ev.TransformNode({"who": ev.original_event()}))
    )
    result = processor.run(log_of(("1", 0), ("2", 0), x=[1, 2]))

    assert [event.id for event in result.events(result.results("shape")["who"].tail(1))] == ["2"]


def sink_frames(size: int, rows: int, *, is_async: bool) -> list[pl.DataFrame]:
    frames: list[pl.DataFrame] = []

    async def take_later(frame: pl.DataFrame) -> None:
        frames.append(frame)

    processor = ev.StreamProcessor("p")
    sink = ev.SinkNode(take_later if is_async else frames.append, batch_size=size)
    shape = processor.add_source("events").connect_to(
        processor.add_node("shape", ev.TransformNode({"a": "id"}))
    )
    shape.connect_to(processor.add_node("sink", sink))
    processor.run(log_of(*((str(i), i) for i in range(rows))), sinks=True)
    return frames


@pytest.mark.parametrize("is_async", [False, True])
def test_a_sink_gets_full_batches_and_the_rest(is_async: bool) -> None:
    frames = sink_frames(3, 8, is_async=is_async)

    assert [len(frame) for frame in frames] == [3, 3, 2]
    assert pl.concat(frames)["id"].to_list() == [f"p/sink/{i}" for i in range(8)]


def test_a_replay_calls_no_sink_unless_told_so() -> None:
    def fail(frame: pl.DataFrame) -> None:
        raise AssertionError("called")

    processor = ev.StreamProcessor("p")
    processor.add_source("events").connect_to(processor.add_node("sink", ev.SinkNode(fail)))

    assert processor.run(log_of(("1", 0))).count("sink", "in") == 1


def test_rows_that_are_not_kept_reach_the_sinks_all_the_same(sample: Any) -> None:
    _, log, _ = sample
    given: dict[bool, list[pl.DataFrame]] = {True: [], False: []}
    for keep, frames in given.items():
        order_analytics(frames.append).run(log, sinks=True, keep=keep)
    by_id = [pl.concat([frame.select("id") for frame in frames])["id"].sort() for frames in given.values()]

    assert by_id[0].equals(by_id[1])
    with pytest.raises(StreamError, match=r"order-metrics\.out: its rows were not kept; run with keep=True"):
        order_analytics().run(log, keep=False).results("order-metrics")


def test_windows_have_ids_that_say_window_and_key() -> None:
    frames: list[pl.DataFrame] = []
    processor = ev.StreamProcessor("p")
    node = ev.AggregatorNode(
        windows=ev.TumblingWindow("1h"), keys=["data.k"], aggregator=ev.WindowedCounter()
    )
    counts = processor.add_source("events").connect_to(processor.add_node("counts", node))
    counts.connect_to(processor.add_node("sink", ev.SinkNode(frames.append)))
    processor.run(log_of(("1", 0), ("2", 1), k=["x", None]), sinks=True)

    assert sorted(frames[0]["id"]) == [
        'p/sink/1h/2026-01-01T00:00:00.000000+00:00/data__k/{"data__k":"x"}',
        'p/sink/1h/2026-01-01T00:00:00.000000+00:00/data__k/{"data__k":null}',
    ]


def test_a_trace_tells_why_an_event_is_in_no_result() -> None:
    result = counting(ev.TumblingWindow("10s")).run(log_of(("1", 30), ("2", 5)))

    assert result.trace("2").select("node", "what", "detail").rows()[-1] == (
        "counts",
        "late",
        "for 1 of 1 windows 10s by all",
    )
    with pytest.raises(StreamError, match="the log has no event 'nobody'"):
        result.trace("nobody")


def test_rows_that_were_not_kept_say_so() -> None:
    with pytest.raises(StreamError, match="counts: has no output 'pairs'; it has out, late"):
        counting(ev.TumblingWindow("10s")).run(log_of(("1", 30))).results("counts", "pairs")


def test_an_empty_log_brings_empty_results() -> None:
    log = log_of(("1", 0)).where(ev.filter({"id": "none"}))
    result = order_free().run(log)

    assert result.results("counts").is_empty()


def order_free() -> ev.StreamProcessor:
    return counting([ev.TumblingWindow("10s"), ev.SessionWindow("1m"), ev.HoppingWindow("1m", "30s")])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("sample") / "shop.parquet"
    answers = ev.write_sample(path, events=30_000, days=2, progress=False)
    return path, ev.read_log(path, progress=False), answers


@ENGINES
def test_the_seeds_pipeline_brings_what_polars_and_sql_by_hand_bring(sample: Any, engine: Any) -> None:
    path, log, _ = sample
    result = order_analytics().run(log, engine=engine)

    for counts, pairs in (by_hand_in_polars(str(path)), by_hand_in_sql(str(path))):
        assert result.results("order-metrics")["count"].sum() == sum(
            int(frame["count"].sum()) for frame in counts
        )
        assert len(result.results("order-metrics")) == sum(map(len, counts))
        found = result.results("order-payment-join").select(
            "left_seq", "right_seq", "order_id", "time_difference"
        )
        assert sorted(found.rows()) == sorted(pairs.select("seq", "seq_right", "order_id", "apart").rows())


@ENGINES
@pytest.mark.parametrize("close", [True, False])
def test_windows_that_are_handed_on_are_those_that_are_kept(sample: Any, engine: Any, close: bool) -> None:
    _, log, _ = sample
    windows = [
        ev.TumblingWindow("1h"),
        ev.TumblingWindow("1d", tz="America/Chicago"),
        ev.HoppingWindow("1h", "20m"),
        ev.SessionWindow("2m"),
    ]
    handed: list[pl.DataFrame] = []
    processor = ev.StreamProcessor("handed-on")
    node = ev.AggregatorNode(
        windows=windows, keys=["all", "data.status"], aggregator=[ev.WindowedCounter(), ev.WindowedMax("ts")]
    )
    counter = processor.add_source("events").connect_to(processor.add_node("counts", node))
    counter.connect_to(processor.add_node("sink", ev.SinkNode(handed.append)))
    kept = processor.run(log, engine=engine, close=close).results("counts")

    processor.run(log, engine=engine, close=close, keep=False, sinks=True)

    rows = pl.concat(handed).select(kept.columns)
    assert rows.sort(pl.all(), nulls_last=True).equals(kept.sort(pl.all(), nulls_last=True))


def test_pairs_of_unique_created_orders_are_the_samples_known_answer(sample: Any) -> None:
    _, log, answers = sample
    processor = ev.StreamProcessor("known")
    source = processor.add_source("events", watermark=ev.Watermark("30d"))
    once = source.connect_to(processor.add_node("once", ev.DedupeNode("id")))
    kinds = {"left": ev.filter({"type": "order.created"}), "right": ev.filter({"type": "payment.processed"})}
    split = once.connect_to(processor.add_node("split", ev.FilterNode(kinds)))
    node = ev.JoinNode(
        left_key="data.orderId", right_key="data.orderId", join_window="1h", output_complete=False
    )
    join = processor.add_node("join", node)
    split.connect_to(join, output="left", input="left")
    split.connect_to(join, output="right", input="right")
    result = processor.run(log)

    assert result.count("join", "pairs") == answers.pairs_within_1h
    assert (
        result.count("join", "unmatched", "left") == answers.orders_without_payment + answers.pairs_beyond_1h
    )
    assert result.count("once", "duplicate") == answers.duplicates


def test_an_event_that_is_late_for_several_windows_is_a_row_of_its_own_for_each() -> None:
    ids: list[str] = []
    processor = counting([ev.TumblingWindow("1m"), ev.TumblingWindow("2m")], keys=["all", "type"])
    late = NodeHandle(processor.graph, "counts")
    late.connect_to(processor.add_node("sink", ev.SinkNode(lambda rows: ids.extend(rows["id"]))), "late")

    processor.run(log_of(("1", 0), ("2", 3_600), ("3", 0)), sinks=True)

    assert sorted(ids) == ["3/1m/all", "3/1m/type", "3/2m/all", "3/2m/type"]


def test_a_sink_that_fails_leaves_no_thread_behind() -> None:
    async def broken(rows: pl.DataFrame) -> None:
        raise OSError("disk full")

    processor = ev.StreamProcessor("p")
    processor.add_source("events").connect_to(processor.add_node("sink", ev.SinkNode(broken)))
    before = threading.active_count()

    with pytest.raises(OSError, match="disk full"):
        processor.run(log_of(("1", 0)), sinks=True)

    assert threading.active_count() == before


@pytest.mark.parametrize("keys", ["id", "all"])
def test_one_key_needs_no_list(keys: str) -> None:
    alone = counting(ev.TumblingWindow("1m"), keys=keys).run(log_of(("1", 0), ("2", 0)))
    listed = counting(ev.TumblingWindow("1m"), keys=[keys]).run(log_of(("1", 0), ("2", 0)))

    assert alone.results("counts").equals(listed.results("counts"))


@ENGINES
def test_a_trace_follows_a_pair_by_either_of_its_events(engine: Any) -> None:
    processor = ev.StreamProcessor("p")
    join = processor.add_node(
        "join",
        ev.JoinNode(left_key="data.k", right_key="data.k", join_window="1h", output_complete=False),
    )
    for side, kind in (("left", "a"), ("right", "b")):
        processor.add_source(kind, types=[kind]).connect_to(join, side)
    join.connect_to(processor.add_node("sink", ev.SinkNode(print)))
    log = log_of(("1", 0), ("2", 1), ("3", 2), types=["a", "b", "a"], k=["x", "x", "y"])

    result = processor.run(log, engine=engine)

    for event in ("1", "2", "3"):
        assert result.trace(event).row(-1)[1:3] == ("sink", "reaches the sink")
