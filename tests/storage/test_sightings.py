"""One value for each user and place, whatever was said of it, and when."""

from hypothesis import given
from hypothesis import strategies as st

from handlers.people import ChannelIdentity
from storage import sightings

IDENTITIES = st.builds(
    ChannelIdentity,
    channel=st.sampled_from(["sms", "email"]),
    identity=st.sampled_from([None, "", "+15145550101", "ann@example.com", "ANN@example.com"]),
    platform=st.sampled_from([None, "twilio"]),
    client_id=st.sampled_from([None, "", "c-1"]),
    app_id=st.sampled_from([None, "app-1"]),
    status=st.sampled_from(["active", "pending", "inactive", "blocked"]),
)
TIMES = st.integers(0, 3)


def sighting(identity: ChannelIdentity, at: int) -> sightings.Sighting:
    return sightings.sighting("support", b"user", b"place", identity, at)


@given(st.lists(st.tuples(IDENTITIES, TIMES), min_size=1), IDENTITIES, TIMES)
def test_what_is_said_again_is_joined_like_anything_else_that_is_said(
    said: list[tuple[ChannelIdentity, int]], identity: ChannelIdentity, at: int
) -> None:
    known = sighting(*said[0])
    for one in said[1:]:
        known = sightings.join(known, sighting(*one))
    assert known.says(known.identity_seen())
    if known.says(identity):
        assert known.again(at) == sightings.join(known, sighting(identity, at))
    again = sighting(known.identity_seen(), at)
    assert known.again(at) == sightings.join(known, again) == sightings.join(again, known)
