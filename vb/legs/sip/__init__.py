"""SIP calls, inbound and outbound, as legs."""
