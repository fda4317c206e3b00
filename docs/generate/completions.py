"""Completions of bash, zsh and fish, from the parsers of the command."""

from pathlib import Path

from docs.generate.options import Option, options
from vmiostat.cli.choose.words import COMMANDS

SHARE = Path(__file__).parents[2] / "share.data/data/share"


def bash() -> str:
    """Options of the command that is the first word, and the values of the option before the cursor."""
    lines = ["# bash completion for vmiostat", "_vmiostat() {", '    local word=$2 before=$3 words="devices"']
    lines += ['    case "$before" in']
    for option in options(""):
        pattern = "|".join(option.flags)
        if option.values:
            lines.append(f'    {pattern}) COMPREPLY=($(compgen -W "{" ".join(option.values)}" -- "$word")); return ;;')
        elif option.takes_path:
            lines.append(f'    {pattern}) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")); return ;;')
        elif option.metavar:
            lines.append(f"    {pattern}) return ;;")
    lines.append("    esac")
    lines.append(f'    [[ $COMP_CWORD -gt 1 ]] && words=""\n    words+=" {_flags("")}"')
    for command in COMMANDS:
        lines.append(f'    [[ ${{COMP_WORDS[1]}} == {command} && $COMP_CWORD -gt 1 ]] && words="{_flags(command)}"')
    lines += ['    COMPREPLY=($(compgen -W "$words" -- "$word"))', "}", "complete -F _vmiostat vmiostat"]
    return "\n".join(lines) + "\n"


def zsh() -> str:
    """For `_arguments`, which completes options anywhere."""
    lines = ["#compdef vmiostat", "_arguments -s \\"]
    for option in options(""):
        for flag in option.flags:
            text = option.help.replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
            text = text.replace("'", "'\\''")
            lines.append(f"  '*{flag}[{text}]{_zsh_value(option)}' \\")
    lines.append(f"  '1::command:({' '.join(COMMANDS)})' '*:domain:'")
    return "\n".join(lines) + "\n"


def _zsh_value(option: Option) -> str:
    if option.metavar is None:
        return ""
    name = option.metavar.lower().replace("|", " ")
    return f":{name}:" + ("_files" if option.takes_path else f"({' '.join(option.values)})" if option.values else "")


def fish() -> str:
    """A line for each option."""
    lines = ["# fish completion for vmiostat", "complete -c vmiostat -f"]
    for command, purpose in COMMANDS.items():
        lines.append(f"complete -c vmiostat -n __fish_is_first_token -a {command} -d {_quoted(purpose)}")
    of_each = {command: {option.flags for option in options(command)} for command in COMMANDS}
    for option in options(""):
        lacking = [command for command, known in of_each.items() if option.flags not in known]
        words = ["complete -c vmiostat"]
        words += [f"-n 'not __fish_seen_subcommand_from {' '.join(lacking)}'"] if lacking else []
        words += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags]
        words += ["-r"] if option.metavar else []
        words += ["-F"] if option.takes_path else []
        words += [f"-a {_quoted(' '.join(option.values))}"] if option.values else []
        lines.append(" ".join([*words, f"-d {_quoted(option.help)}"]))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _flags(command: str) -> str:
    return " ".join(flag for option in options(command) for flag in option.flags)


FILES = {
    "bash-completion/completions/vmiostat": bash,
    "zsh/site-functions/_vmiostat": zsh,
    "fish/vendor_completions.d/vmiostat.fish": fish,
}


if __name__ == "__main__":
    for name, text in FILES.items():
        (SHARE / name).write_text(text())
