"""Teams: replies through Graph and through the Bot connector, sign-in, people."""
