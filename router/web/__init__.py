"""HTTP: the door for call events, and the listener for operators."""
