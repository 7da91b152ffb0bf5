"""The pictures of a model's card are whole SVG files that show the numbers they were given."""

from __future__ import annotations

from xml.etree.ElementTree import XML, Element

import pytest

from kws.evaluation.card_pictures import confusion, det

SVG = "{http://www.w3.org/2000/svg}"


def read(picture: str) -> Element:
    return XML(picture)


def test_a_confusion_matrix_shows_each_count_in_its_cell() -> None:
    root = read(confusion(["quiet", "yes", "no"], [[0, 0, 0], [1, 18, 1], [0, 5, 5]]))
    assert root.tag == f"{SVG}svg"
    counts = {title.text: title for title in root.iter(f"{SVG}title")}
    assert set(counts) == {
        "yes heard as quiet: 1 clips, 5.0 %",
        "yes heard as yes: 18 clips, 90.0 %",
        "yes heard as no: 1 clips, 5.0 %",
        "no heard as yes: 5 clips, 50.0 %",
        "no heard as no: 5 clips, 50.0 %",
    }
    shades = [(cell.get("class"), cell.get("fill-opacity")) for cell in root.iter(f"{SVG}rect") if len(cell)]
    assert shades == [("wrong", "0.32"), ("right", "0.9"), ("wrong", "0.32"), ("wrong", "1"), ("right", "0.5")]
    # What was never said has a column and no row.
    assert [text.text for text in root.iter(f"{SVG}text")].count("quiet") == 1


def test_a_curve_for_each_way_lies_where_its_points_are() -> None:
    few, many = [(0.0, 0.5), (1.0, 0.1)], [(0.0, 0.9), (10.0, 0.1)]
    root = read(det({"weighed": few, "alike": many}, hours=2.0, said=1000))
    first, second = ([tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
                     for line in root.iter(f"{SVG}polyline"))  # fmt: skip
    # Fewer misses lie lower, as many at the same height, and more false accepts further to the right.
    assert first[0][0] == second[0][0]
    assert first[0][1] > second[0][1]
    assert first[1][1] == second[1][1]
    assert first[1][0] < second[1][0]
    assert {"weighed", "alike"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_more_ways_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="5 lines, but 4 colours"):
        det({str(i): [(1.0, 0.1)] for i in range(5)}, hours=1.0, said=10)
