"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# An example that takes long on a busy machine proves nothing; a hang is the timeout's to find.
# So does slow generation, which hypothesis takes for a fault of the strategy.
settings.register_profile("kapp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kapp")
