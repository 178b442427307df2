#!/usr/bin/env python3
"""Puts the files of web/dist into a C source.

    embed-web.py DIST OUT.c

A build without the page (no npm) is allowed: an absent folder gives an empty table, and the server says so.
"""
import hashlib
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def rows(data):
    return ",\n".join(",".join(str(byte) for byte in data[at:at + 32]) for at in range(0, len(data), 32))


def main():
    dist, out = map(pathlib.Path, sys.argv[1:3])
    files = sorted(path for path in dist.glob("*") if path.suffix in TYPES) if dist.is_dir() else []
    text = ['#include "api/web_files.h"\n']
    table = []
    for number, path in enumerate(files):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()[:16]
        text.append(f"static const unsigned char file_{number}[] = {{\n{rows(data)}}};\n")
        table.append(f'    {{"/{path.name}", "{TYPES[path.suffix]}", "\\"{digest}\\"", file_{number}, {len(data)}}},\n')
    text.append("const WebFile web_files[] = {\n" + "".join(table) + "    {0},\n};\n")
    out.write_text("\n".join(text))


main()
