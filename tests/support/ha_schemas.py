"""Check components of discovery and templates with Home Assistant's own code, in its own Python.

Reads ``{"components": [[platform, config], ...], "templates": [[template, payload], ...]}`` from standard input and
prints the problems and the rendered templates.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from homeassistant.components.mqtt import device_trigger, event, number, sensor, switch  # type: ignore[import-not-found]
from homeassistant.core import HomeAssistant  # type: ignore[import-not-found]
from homeassistant.helpers.template import Template  # type: ignore[import-not-found]

SCHEMAS = {
    "event": event.DISCOVERY_SCHEMA,
    "switch": switch.DISCOVERY_SCHEMA,
    "number": number.DISCOVERY_SCHEMA,
    "sensor": sensor.DISCOVERY_SCHEMA,
    "device_automation": device_trigger.TRIGGER_DISCOVERY_SCHEMA,
}


async def main() -> None:
    given = json.load(sys.stdin)
    problems = []
    for platform, config in given["components"]:
        try:
            SCHEMAS[platform](config)
        except Exception as error:  # noqa: BLE001 - the test reports it
            problems.append(f"{platform} {config.get('name')}: {error}")
    hass = HomeAssistant("/nonexistent")
    rendered: dict[str, Any] = {
        template: Template(template, hass).async_render_with_possible_json_value(payload, "failed")
        for template, payload in given["templates"]
    }
    print(json.dumps({"problems": problems, "rendered": rendered}))


asyncio.run(main())
