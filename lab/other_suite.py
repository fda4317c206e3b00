"""A suite of Debian that this machine's apt may not have: packages to unpack, none to install."""

from pathlib import Path

from lab.command import LabError, run

_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def known(suite: str, folder: Path) -> tuple[str, ...]:
    """Options with which apt knows only this suite, in the archive that it uses for others. Raises LabError."""
    lists, cache = folder / "lists", folder / "cache"
    for made in (lists / "partial", cache / "archives/partial"):
        made.mkdir(parents=True, exist_ok=True)
    sources, configuration = folder / "sources.list", folder / "apt.conf"
    sources.write_text(f"deb [signed-by={_KEYS}] {_archive()} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": lists,
        "Dir::Cache": cache,
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # apt's own user may not write into the folder
    }
    configuration.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    options = ("-c", str(configuration))
    run("apt-get", *options, "update", "-q", "--error-on=any")
    return options


def _archive() -> str:
    targets = ("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Identifier: Packages")
    lines = run(*targets).splitlines()
    if not any(line.startswith("Debian ") for line in lines):  # apt has not fetched any list yet
        run("apt-get", "update", "-q")
        lines = run(*targets).splitlines()
    found = next((line.split()[1] for line in lines if line.startswith("Debian ")), None)
    if found is None:
        raise LabError("apt on this machine uses no archive of Debian: add one to /etc/apt/sources.list")
    return found
