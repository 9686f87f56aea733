"""What holds for all tests."""

from hypothesis import settings

# An example that takes long on a busy machine proves nothing; a hang is the timeout's to find.
settings.register_profile("kapp", deadline=None)
settings.load_profile("kapp")
