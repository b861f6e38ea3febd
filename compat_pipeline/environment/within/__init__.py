"""What runs in the interpreter of an environment: nothing but the standard library may be imported here."""
