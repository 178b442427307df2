#!/usr/bin/env python3
"""Puts the files of migrations/ into a C source.

    embed-migrations.py OUT.c FILE...

Refuses a name that the server could not order, a number used twice, and a file that the folder has but the
build does not list: it would silently never run.
"""
import pathlib
import re
import sys

NAME = re.compile(r"(\d{3})_[a-z0-9_]+(?:\.(sqlite|postgres))?\.sql")


def literal(text):
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") for line in text.splitlines())
    return "\n".join(f'        "{line}\\n"' for line in escaped)


def main():
    out, files = pathlib.Path(sys.argv[1]), sorted(map(pathlib.Path, sys.argv[2:]), key=lambda path: path.name)
    listed = {path.name for path in files}
    seen, table = set(), []
    if unlisted := {path.name for path in files[0].parent.glob("*.sql")} - listed:
        sys.exit(f"not listed in src/db/meson.build: {', '.join(sorted(unlisted))}")
    for path in files:
        match = NAME.fullmatch(path.name)
        if not match:
            sys.exit(f"{path.name}: want NNN_name.sql, NNN_name.sqlite.sql or NNN_name.postgres.sql")
        number, only = match.groups()
        for kind in [only] if only else ["sqlite", "postgres"]:
            if (number, kind) in seen:
                sys.exit(f"{path.name}: number {number} is used twice for {kind}")
            seen.add((number, kind))
        flags = ["TRUE" if only in (None, kind) else "FALSE" for kind in ("sqlite", "postgres")]
        table.append(f'    {{"{path.name}", {", ".join(flags)},\n{literal(path.read_text(encoding="utf-8"))}}},\n')
    out.write_text('#include "db/migrations_table.h"\n\nconst Migration migrations[] = {\n'
                   + "".join(table) + "    {0},\n};\n", encoding="utf-8")


main()
