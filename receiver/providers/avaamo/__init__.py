"""The provider avaamo: both directions, as pure functions."""
