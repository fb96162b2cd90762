"""What can be told of a call event: one module per kind of destination."""
