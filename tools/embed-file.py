#!/usr/bin/env python3
"""Puts one file into a C source as a byte array.

    embed-file.py FILE HEADER NAME OUT.c        HEADER declares `const guint8 NAME[]` and `const gsize NAME_size`
"""
import pathlib
import sys


def main():
    file, header, name, out = sys.argv[1:5]
    data = pathlib.Path(file).read_bytes()
    rows = ",\n".join(",".join(str(byte) for byte in data[at:at + 32]) for at in range(0, len(data), 32))
    pathlib.Path(out).write_text(
        f'#include "{header}"\n\nconst guint8 {name}[] = {{\n{rows}}};\nconst gsize {name}_size = sizeof {name};\n'
    )


main()
