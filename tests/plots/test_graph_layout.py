from evanalytics.plots.graph_layout import layered, with_ports

SEED = [("s", "f"), ("f", "o"), ("f", "p"), ("o", "j"), ("p", "j"), ("o", "m"), ("j", "k1"), ("m", "k2")]
NODES = ["s", "f", "o", "p", "j", "m", "k1", "k2"]


def test_every_edge_goes_to_the_right() -> None:
    places = layered(NODES, SEED).places

    assert all(places[begin][0] < places[end][0] for begin, end in SEED)


def test_no_two_boxes_stand_in_one_place() -> None:
    places = layered(NODES, SEED).places

    assert len(set(places.values())) == len(NODES)


def test_lines_do_not_cross_where_they_need_not() -> None:
    places = layered(NODES, SEED).places

    assert (places["m"][1] < places["j"][1]) == (places["k2"][1] < places["k1"][1])
    assert (places["o"][1] < places["p"][1]) == (places["m"][1] < places["j"][1])


def test_a_long_line_has_a_lane_of_its_own_past_boxes() -> None:
    layout = layered(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])
    way = layout.ways[2]

    assert [x for x, _ in way] == [0.0, 1.0, 2.0]
    assert way[1] != layout.places["b"]
    assert layout.lanes == 2


def test_lines_of_one_box_leave_and_enter_it_one_below_the_other() -> None:
    layout = with_ports(layered(NODES, SEED), SEED)

    assert layout.ways[1][0][1] != layout.ways[2][0][1]
    assert layout.ways[3][-1][1] != layout.ways[4][-1][1]
    assert layout.ways[0][-1][1] == layout.places["f"][1]


def test_one_node_alone_is_a_layout() -> None:
    layout = layered(["a"], [])

    assert (layout.places, layout.layers, layout.lanes) == ({"a": (0.0, 0.0)}, 1, 1)
