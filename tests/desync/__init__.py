"""Request smuggling and desync: what is forwarded has one reading, whatever a client or an origin sends."""
