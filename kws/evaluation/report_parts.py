"""What the sections of a report have in common."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kws.evaluation.markup import Content, el


def section(title: str, under: str, *content: Content) -> Element:
    return el("section", el("h2", title), el("p", under, class_="under"), content)


def remark(line: str) -> Element:
    return el("p", line[0].upper() + line[1:], class_="remark")


def key(name: str, sample: Element) -> Element:
    return el("span", el("svg", sample, viewBox="0 0 26 12", aria_hidden="true"), name)
