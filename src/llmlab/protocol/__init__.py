"""What travels over HTTP and WebSockets; both ends import it."""
