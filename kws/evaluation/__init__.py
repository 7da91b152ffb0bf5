"""Measuring what a model and its decisions are worth, with the runtime's own parts."""
