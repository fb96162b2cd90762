"""What tests and benchmarks of the whole daemon stand on: starting it, loading it, receiving from it, judging it."""
