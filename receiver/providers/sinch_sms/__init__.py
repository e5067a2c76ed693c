"""The provider sinch_sms: both directions, as pure functions."""
