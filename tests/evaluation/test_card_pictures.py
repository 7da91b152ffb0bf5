"""The pictures of a model's card are whole SVG files that show the numbers they were given."""

from __future__ import annotations

import re
import sys
from xml.etree.ElementTree import XML, Element

import pytest

from kws.errors import UsageError
from kws.evaluation.card_pictures import confusion, det

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: Element) -> list[str]:
    """Return the texts of a picture, in order."""
    return ["".join(text.itertext()).strip() for text in picture.iter(f"{SVG}text")]


def test_a_confusion_matrix_shows_each_count_in_its_cell() -> None:
    root = XML(confusion(["quiet", "yes", "no"], [[0, 0, 0], [1, 18, 1], [0, 5, 5]]))
    counts = {group.get("id"): texts(group) for group in root.iter(f"{SVG}g") if " clips, " in group.get("id", "")}
    assert counts == {
        "yes as quiet: 1 clips, 5.0 %": ["1"],
        "yes as yes: 18 clips, 90.0 %": ["18"],
        "yes as no: 1 clips, 5.0 %": ["1"],
        "no as yes: 5 clips, 50.0 %": ["5"],
        "no as no: 5 clips, 50.0 %": ["5"],
    }
    # A label that was never said has a column and no row.
    assert (texts(root).count("quiet"), texts(root).count("yes")) == (1, 2)


def points(root: Element, name: str) -> list[tuple[float, float]]:
    [line] = [group for group in root.iter(f"{SVG}g") if group.get("id") == name]
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", line[0].get("d", ""))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_a_curve_for_each_way_lies_where_its_points_are() -> None:
    ways = {"weighed": [(0.0, 0.5), (1.0, 0.1)], "alike": [(0.0, 0.9), (10.0, 0.1)]}
    picture = det(ways, hours=2.0, said=1000)
    first, second = (points(XML(picture), name) for name in ways)
    # Fewer misses lie lower, as many at the same height, and more false accepts further to the right.
    assert first[0][0] == second[0][0]
    assert first[0][1] > second[0][1]
    assert first[1][1] == second[1][1]
    assert first[1][0] < second[1][0]
    assert {"weighed", "alike", "words missed"} <= set(texts(XML(picture)))
    assert det(ways, hours=2.0, said=1000) == picture


def test_all_text_lies_within_the_picture() -> None:
    """Long labels and many of them: nothing is cut off at an edge."""
    labels = [f"a long label {number}" for number in range(14)]
    picture = confusion(labels, [[1] * 14] * 14)
    root = XML(picture)
    width, height = map(float, root.get("viewBox", "").split()[2:])
    places = re.findall(r"rotate\(-35 ([\d.]+) ([\d.]+)\)", picture)
    assert len(places) == 14
    for x, y in places:
        assert 0 < float(x) < width - 50
        assert 40 < float(y) < height


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pictures need the extra 'report': pip install '\.\[report\]'"):
        det({"one": [(1.0, 0.1)]}, hours=1.0, said=10)
