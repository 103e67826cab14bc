"""How many statements the product had at some commits: python -m tests.scripts.statements COMMIT [COMMIT ...].

Counted in the syntax tree, so that joined or broken lines don't count; docstrings are none. The product is every
Python file at the top packages but `tests`, wherever rooms lay then.
"""

import ast
import io
import subprocess
import sys
import tarfile

PRODUCT = ("kardus", "edge_agent", "warehouse", "simulator", "train", "export")


def statements(source: str) -> int:
    """How many statements a file has, without docstrings."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = sum(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for node in nodes
    )
    return sum(isinstance(node, ast.stmt) for node in nodes) - docstrings


def count(commit: str) -> tuple[int, int]:
    """Files and statements of the product at a commit."""
    listed = subprocess.run(["git", "ls-tree", "--name-only", commit], capture_output=True, text=True, check=True)
    there = [name for name in PRODUCT if name in listed.stdout.split()]
    packed = subprocess.run(["git", "archive", commit, *there], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [archive.extractfile(member) for member in archive if member.name.endswith(".py")]
        sources = [file.read().decode() for file in files if file]
    return len(sources), sum(map(statements, sources))


if __name__ == "__main__":
    for commit in sys.argv[1:]:
        files, total = count(commit)
        print(f"{commit}: {files} files, {total} statements")
