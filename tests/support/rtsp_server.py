"""Serves a recording over RTSP, as a camera does, by GStreamer's server. Runs in the system's Python, which has ``gi``.

Usage: rtsp_server.py RECORDING.wav PORT; the URL is rtsp://127.0.0.1:PORT/sound. Each client hears all of it.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - only now may they be imported

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( filesrc location={sys.argv[1]} ! wavparse ! audioconvert ! rtpL16pay name=pay0 )")
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[2])
server.get_mount_points().add_factory("/sound", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
