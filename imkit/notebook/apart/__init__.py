"""What a session with a widget has in its process apart besides model and loop: the pages' socket and the recorder."""
