"""
`hookline bench`: how fast the real program is on this machine, beside whatever else there is.

Only ratios from one run say anything: the contenders take turns, the server is pinned to one core
and the client to another, and the uvicorn that does nothing (the floor) is measured every time.
"""
