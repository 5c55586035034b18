"""Small pictures without scripts."""

from __future__ import annotations

import base64
import re

from jupyter_mlops import pictures


def shapes(image: str) -> str:
    found = re.search(r"base64,([^\"]+)", image)
    assert found
    return base64.b64decode(found[1]).decode()


def test_bars_go_from_the_lowest_to_the_highest_value():
    assert pictures.bars([0, 1, 2, 3, 4, 5, 6, 7], 0, 7) == "▁▂▃▄▅▆▇█"
    assert pictures.bars([3.0, 3.0], 3.0, 3.0) == "▁▁"


def test_two_distributions_share_one_scale_and_nothing_is_a_blank():
    assert pictures.pair_of_bars([0.5, 0.5, 0.0], [0.0, 0.0, 1.0]) == ("▄▄ ", "  █")
    assert pictures.pair_of_bars([0.25] * 4, [0.0, 0.0, 0.5, 0.5], 2) == ("▄▄", " █")
    assert pictures.pair_of_bars([], []) == ("", "")


def test_an_image_says_what_it_shows_and_holds_no_markup_of_a_name():
    image = pictures.image("<path/>", 10, 5, says='a "b" <c>', hover=True)
    assert image.count("&lt;c&gt;") == 2
    assert "<c>" not in image
    assert "<svg" not in image
    assert shapes(image).endswith("<path/></svg>")


def test_numbers_are_drawn_as_areas_and_categories_as_pairs_of_bars():
    areas = shapes(pictures.pair([0.2, 0.8], [0.5, 0.5], numeric=True, says="both"))
    columns = shapes(pictures.pair([0.2, 0.8], [0.0, 1.0], numeric=False, says="both"))
    assert "fill-opacity" in areas
    assert "fill-opacity" not in columns
    assert columns.count("z") == 3  # one of the four has no height


def test_a_part_goes_to_its_side():
    assert pictures.part(6, 12, 10) == "█████"
    assert pictures.part(-6, 12, 10) == "▪▪▪▪▪"
    assert pictures.part(0, 0, 10) == ""
    left = pictures.part_html(-1, [-1, 3], "#000", 40)
    right = pictures.part_html(3, [-1, 3], "#000", 40)
    assert re.findall(r"width: (\d+)px", left) == ["0", "10"]
    assert re.findall(r"width: (\d+)px", right) == ["10", "30"]
