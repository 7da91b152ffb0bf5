"""Enrolment: words learned from a few recordings, on the computer that listens, without TensorFlow."""
