"""One line per thing that happens: text on a terminal, JSON elsewhere."""
