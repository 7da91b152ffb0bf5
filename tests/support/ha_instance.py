"""Run a Home Assistant that has only MQTT, in its own Python: ``ha_instance.py PORT``.

It prints a line when it has found the microphone, waits for a keyword, moves a slider and the switch, and prints the
states that follow. Needs the package janus besides Home Assistant (2024.3, the last for Python 3.11).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from homeassistant import bootstrap, loader  # type: ignore[import-not-found]
from homeassistant.components.mqtt.device_trigger import async_get_triggers  # type: ignore[import-not-found]
from homeassistant.config_entries import ConfigEntries, ConfigEntry  # type: ignore[import-not-found]
from homeassistant.core import HomeAssistant  # type: ignore[import-not-found]
from homeassistant.helpers import device_registry  # type: ignore[import-not-found]

EVENT, SLIDER, SWITCH = "event.kws_kitchen_keyword", "number.kws_kitchen_threshold_on", "switch.kws_kitchen_listening"


async def run(port: int, folder: str) -> None:
    # MQTT also tries to load cameras and images, and logs at length that their packages are missing.
    logging.disable(logging.CRITICAL)
    Path(folder, "configuration.yaml").touch()
    hass = HomeAssistant(folder)
    hass.config.config_dir = folder
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.config.components.update({"http", "file_upload"})
    entry = ConfigEntry(
        version=1, minor_version=1, domain="mqtt", title="", source="user", data={"broker": "127.0.0.1", "port": port}
    )
    await hass.config_entries.async_add(entry)
    await hass.async_start()

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)

    def state(entity: str) -> str | None:
        found = hass.states.get(entity)
        return str(found.state) if found else None

    await until(lambda: state(SLIDER) == "0.8" and state(SWITCH) == "on" and state(EVENT) == "unknown")
    print("found", flush=True)
    await until(lambda: state(EVENT) != "unknown")
    await hass.services.async_call("number", "set_value", {"entity_id": SLIDER, "value": 0.77}, blocking=True)
    await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    await until(lambda: state(SLIDER) == "0.77" and state(SWITCH) == "off")
    (device,) = device_registry.async_get(hass).devices.values()
    triggers = await async_get_triggers(hass, device.id)
    answer = {
        "device": device.name,
        "states": {each.entity_id: each.state for each in hass.states.async_all()},
        "event": dict(hass.states.get(EVENT).attributes),
        "triggers": sorted(f"{trigger['subtype']} {trigger['type']}" for trigger in triggers),
    }
    print(json.dumps(answer), flush=True)
    await hass.async_stop(force=True)


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(run(int(sys.argv[1]), folder))
