"""HTTP to destinations, with every precaution in one place."""
