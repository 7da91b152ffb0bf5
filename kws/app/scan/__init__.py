"""``kws scan``: many recordings, on all cores or on a cluster."""
