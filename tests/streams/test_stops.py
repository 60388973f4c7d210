from evanalytics.streams.stops import durations_to_try


def test_durations_rise_and_hold_both_ends_and_what_was_asked_for():
    stops = durations_to_try(500, 90_000_000, 7_777)

    assert stops == sorted(set(stops))
    assert (stops[0], stops[-1]) == (500, 90_000_000)
    assert {7_777, 1_000_000, 10_000_000, 60_000_000} <= set(stops)


def test_one_duration_is_enough():
    assert durations_to_try(1_000, 1_000) == [1_000]
