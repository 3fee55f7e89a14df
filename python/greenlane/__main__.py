"""``python -m greenlane`` is the program. Mostly the package's import has become it before this is read."""

from greenlane._program import become_program

if __name__ == "__main__":
    become_program()
