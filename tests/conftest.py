"""What holds for all tests."""

import signal

from hypothesis import HealthCheck, settings

# An example that takes long on a busy machine proves nothing; a hang is the timeout's to find.
# So does slow generation, which hypothesis takes for a fault of the strategy.
settings.register_profile("kapp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kapp")

# A shell starts a job in the background with the signal ignored, and who is started by it inherits
# that: the programs under test would not hear Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
