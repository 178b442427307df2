import signal

from ctl_program import ctl, ctl_alone, fake  # noqa: F401  (fixtures)

# A shell in the background starts its programs deaf to Ctrl-C; ours must hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
