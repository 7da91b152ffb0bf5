"""The live page in a browser: what it shows is what was heard. Makes pictures of it on a desktop and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.toy_model import PITCHES, RATE, write_model
from tests.support.waiting import wait_until
from tests.support.watched_service import WatchedService, words

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]

#: Width, height, and pixels in a unit of each.
SCREENS = {"desktop": (1280, 900, 1), "phone": (390, 844, 2)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedService]:
    folder = tmp_path_factory.mktemp("page")
    said = ('gate.wake_words=["on"]', f"clips.folder={folder / 'clips'}", "clips.after=0.2")
    service = WatchedService(folder, write_model(folder / "model"), *said)
    yield service
    service.stop()


@pytest.fixture(params=SCREENS)
def page(request: pytest.FixtureRequest, browser: Any, service: WatchedService) -> Iterator[Any]:
    width, height, pixels = SCREENS[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=pixels, has_touch=pixels > 1, locale="en-GB"
    )
    page = context.new_page()
    page.screen = request.param
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(service.monitor.url)
    page.wait_for_selector(".word")
    yield page
    assert problems == []
    context.close()


def events(page: Any) -> list[tuple[str, str]]:
    """Return the events that the page shows, the newest first: the class of each, and its word."""
    found: list[list[str]] = page.eval_on_selector_all(
        "#events li", "all => all.map(li => [li.className, li.dataset.word])"
    )
    return [(kind, word) for kind, word in found]


def test_the_page_shows_what_was_heard(page: Any, service: WatchedService, tmp_path: Path) -> None:
    service.hear(np.zeros(6 * RATE, np.float32))  # after which the gate is closed
    before = len(events(page))
    service.hear(words("stop", "on", "off"))
    page.locator("#events li").nth(before + 2).wait_for()
    new = events(page)[:3][::-1]
    assert new == [("near", "stop"), ("detection", "on"), ("detection", "off")]
    last = service.service.listeners[0].hearing.last
    assert last
    newest = page.inner_text("#events li:first-child")
    assert f"{last.score:.2f}" in newest
    assert "after on" in newest
    assert "no wake word before it" in page.inner_text("#events li.near")
    # The state comes by itself, after the events.
    wait_until(lambda: page.inner_text("#source") == f"hears {service.fifo}")
    wait_until(lambda: page.inner_text("#gate") == "gate open: on")
    # No part is wider than the screen, and what fingers touch is large enough for them.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.querySelectorAll('input[type=range]')].every(one => one.clientHeight >= 28)")
    # The spectrogram holds the tone of each word: its newest 4.5 s have the three pitches, one after the other.
    columns = np.array(page.evaluate("columns.map(([when, shades]) => [...shades])"))
    front_end = service.pipeline.model.front_end
    time = np.arange(RATE) / RATE
    loudest = {
        word: int(
            front_end.spectrogram(np.float32(0.2) * np.sin(2 * np.pi * pitch * time).astype(np.float32))[50].argmax()
        )
        for word, pitch in PITCHES.items()
    }
    clear = columns[columns.max(axis=1) > 150].argmax(axis=1)
    shown = [word for one in clear for word, place in loudest.items() if abs(int(one) - place) <= 1]
    order = [word for index, word in enumerate(shown) if index == 0 or word != shown[index - 1]]
    assert order[-3:] == ["stop", "on", "off"]
    # The canvas shows them: it has light and dark pixels.
    shades = page.evaluate(
        "[...picture.getContext('2d').getImageData(0, 0, picture.width, picture.height).data]"
        ".filter((value, index) => index % 4 === 1)"
    )
    assert max(shades) > 200
    assert min(shades) < 60
    page.screenshot(path=tmp_path / f"{page.screen}.png", full_page=True)
    assert (tmp_path / f"{page.screen}.png").stat().st_size > 20_000


def test_sliders_and_switches_change_what_is_listened_for(page: Any, service: WatchedService) -> None:
    """They send MQTT's requests, and show what is in force."""

    def quiet() -> bool:
        service.hear(np.zeros(RATE // 10, np.float32))  # requests are obeyed between blocks of sound
        return True

    slider = page.locator("[data-word=stop] input[type=range]")
    slider.evaluate("(one) => { one.value = 0.93; one.dispatchEvent(new Event('change')); }")
    page.locator("[data-word=off] input[type=checkbox]").uncheck()
    quiet()
    wait_until(lambda: quiet() and service.pipeline.settings.keywords["stop"].threshold == 0.93)
    wait_until(lambda: quiet() and "off" not in service.pipeline.settings.listened)
    page.wait_for_selector("[data-word=off].off")
    assert slider.get_attribute("title") == "threshold 0.93"
    page.locator("#listening").uncheck()
    wait_until(lambda: quiet() and page.inner_text("#source") == "switched off")
    page.locator("#listening").check()
    page.locator("[data-word=off] input[type=checkbox]").check()
    slider.evaluate("(one) => { one.value = 0.8; one.dispatchEvent(new Event('change')); }")
    wait_until(lambda: quiet() and service.pipeline.settings.keywords["stop"].threshold == 0.8)
    wait_until(lambda: quiet() and page.inner_text("#source").startswith("hears"))


def test_a_recording_is_played(page: Any, service: WatchedService) -> None:
    before = len(events(page))
    service.hear(words("on"))
    page.locator("#events li").nth(before).wait_for()
    service.hear(words())
    number = service.monitor._count
    wait_until(lambda: service.monitor.recording(number) is not None)
    with page.expect_response(f"**/clip/{number}") as answer:
        page.click("#events li:first-child button")
    assert answer.value.status in (200, 206)
    page.wait_for_timeout(100)
    assert page.inner_text("#error") == ""


def test_a_page_says_when_the_service_has_ended(browser: Any, tmp_path: Path) -> None:
    service = WatchedService(tmp_path, write_model(tmp_path / "model"))
    page = browser.new_page()
    page.goto(service.monitor.url)
    page.wait_for_selector(".word")
    service.stop()
    sync_api.expect(page.locator("#error")).to_have_text("the connection to kws was lost")
    page.close()
