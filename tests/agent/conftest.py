from agent_program import config_path, registry, start  # noqa: F401  (fixtures)
