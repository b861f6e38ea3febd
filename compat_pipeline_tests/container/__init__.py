"""What runs in containers, on a real container engine."""
