"""For authors of plugins: make deliveries, record requests, check a plugin against the contract."""
