"""The provider sinch: both directions, as pure functions."""
