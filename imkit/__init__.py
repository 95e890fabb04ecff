"""imkit: full-duplex AI in a Jupyter notebook."""
