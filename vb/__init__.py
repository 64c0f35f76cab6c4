"""A programmable voice platform on Trio: SIP, RTP, rooms and recordings behind REST, WebSocket events and webhooks."""

import os

# Matrix products of one tick are far too small to share: a second BLAS thread only spins beside the media clock
# (measured: fifteen times the CPU). It is read once, when NumPy is first imported, hence here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
