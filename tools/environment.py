"""Make the virtual environment once; make it again only when pyproject.toml or the pins change.

Written for any Python, so that one too old can say so.
"""

import hashlib
import os
import subprocess
import sys


def stamp_of(files):
    """One hash of the files' contents and of the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    for name in files:
        with open(name, "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()


def main(arguments):
    """Create the environment unless its stamp already fits; the exit status says whether it stands."""
    if sys.version_info < (3, 11):
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(
            "This project needs Python 3.11 or newer, and %s is Python %s: "
            "install one and call `make PYTHON=/path/to/python3.11`.\n" % (sys.executable, version)
        )
        return 2
    target = arguments[0]
    constraints = arguments[1:]
    stamp = stamp_of(["pyproject.toml"] + constraints)
    stamp_file = os.path.join(target, "pyproject.stamp")
    if os.path.exists(stamp_file):
        with open(stamp_file) as stream:
            if stream.read() == stamp:
                return 0
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        sys.stderr.write(
            "%s comes without venv: install it (on Debian: the package python3-venv) and try again.\n"
            % sys.executable
        )
        return 2
    version = sys.version.split()[0]
    sys.stdout.write("Making %s with Python %s (once; about a minute) ...\n" % (target, version))
    sys.stdout.flush()
    venv.create(target, with_pip=True, clear=os.path.isdir(target))
    python = os.path.join(target, "bin", "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[test]"]
    for name in constraints:
        install += ["--constraint", name]
    outcome = subprocess.run(install)
    if outcome.returncode:
        sys.stderr.write("The installation failed; pip's message above says why. Nothing else was changed.\n")
        return outcome.returncode
    with open(stamp_file, "w") as stream:
        stream.write(stamp)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
