"""What Prometheus may ask: counters and histograms shared by all processes of a daemon."""
