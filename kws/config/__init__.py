"""The configuration: one file of TOML and what a command line says instead, complete and checked.

``docs/kws.example.toml`` shows every setting, ``docs/configuration.md`` explains where the file is looked for.
"""
