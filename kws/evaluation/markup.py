"""HTML and SVG as elements: escaped by the standard library, never by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Content: TypeAlias = "Element | str | Iterable[Content] | None"


def el(name: str, /, *content: Content, **attributes: str | float) -> Element:
    """An element. Of an attribute's name, a trailing underscore is cut and others become hyphens.

    Args:
        name: of the element.
        content: text and elements, also in lists; None is left out.
        attributes: numbers are written with two decimals at most.
    """
    written = {key.rstrip("_").replace("_", "-"): _write(value) for key, value in attributes.items()}
    element = Element(name, written)
    for each in _flatten(content):
        if isinstance(each, Element):
            element.append(each)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + each
        else:
            element.text = (element.text or "") + each
    return element


def render(root: Element) -> str:
    """A whole page."""
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _flatten(content: Iterable[Content]) -> Iterable[Element | str]:
    for each in content:
        if isinstance(each, Element | str):
            yield each
        elif each is not None:
            yield from _flatten(each)


def _write(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
