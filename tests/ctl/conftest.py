from ctl_program import ctl, ctl_alone, fake  # noqa: F401  (fixtures)
