"""Pictures and pages of a finished fit; matplotlib is loaded only when a matplotlib figure is asked for."""
