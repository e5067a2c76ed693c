"""
Stand-in providers: Starlette apps that behave as the real ones do, faults on demand.

    state.faults.next(throttled("7"), Answer(503), Slow(2), on=":send")   what becomes of requests:
    state.faults.next(Reset(), Lost(), Garbage())                         one fault for one request
    state.hooks.duplicate(times=3)         webhooks that come twice
    state.hooks.reorder(count=2)           webhooks that come the last one first
    state.merging["u1"] = "u2"             who becomes somebody else in the middle of a link
    state.unreachable.add("+15145550123")  where nothing arrives
"""
