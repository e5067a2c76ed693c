"""The provider smooch: both directions, as pure functions."""
