"""Publishers of detections: to an MQTT broker, to a command that is run, to lines of text; and observers."""
