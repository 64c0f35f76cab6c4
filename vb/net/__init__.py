"""The only place that opens SIP and RTP sockets. Everything above sees hops, bytes and events."""
