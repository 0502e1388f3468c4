"""The linked views with sound: the component, and what travels to it."""
