"""Header sections, as HTTP/2 and HTTP/3 have them: what their lines are, and messages to lines and back."""
