"""Measurements of speed and memory. They print what is; none of them passes or fails."""
