"""What each shell runs when Tab is pressed: it calls the program that was typed, with what was typed in variables."""

from __future__ import annotations

from b2bpilot.cli.completion.shells import FILES, Shell
from b2bpilot.cli.frame.values import VARIABLE

BASH = f"""\
# Completion of b2bpilot for bash, written by `b2bpilot completion`.
_b2bpilot_completion() {{
    local IFS=$'\\n' program=${{1/#\\~\\//$HOME/}} found word
    found=$(COMP_WORDS="${{COMP_WORDS[*]}}" COMP_CWORD=$COMP_CWORD {VARIABLE}=complete_bash "$program" 2>/dev/null)
    if [ $? -eq {FILES} ]; then
        compopt -o default 2>/dev/null
    fi
    COMPREPLY=()
    while read -r word; do
        [ -n "$word" ] && COMPREPLY+=("$word")
    done <<<"$found"
}}
complete -F _b2bpilot_completion b2bpilot
"""

ZSH = f"""\
#compdef b2bpilot
# Completion of b2bpilot for zsh, written by `b2bpilot completion`.
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
_b2bpilot_completion() {{
    local program=${{${{(Q)words[1]}}/#\\~\\//$HOME/}}
    eval "$(COLUMNS=$COLUMNS _TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {VARIABLE}=complete_zsh $program 2>/dev/null)"
}}
compdef _b2bpilot_completion b2bpilot
"""

FISH = f"""\
# Completion of b2bpilot for fish, written by `b2bpilot completion`.
function __b2bpilot_completion
    set -l program (commandline -opc)[1]
    set -l typed (commandline -cp)
    set -l found (env _TYPER_COMPLETE_ARGS="$typed" {VARIABLE}=complete_fish $program 2>/dev/null)
    if test $status -eq {FILES}
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete --command b2bpilot --no-files --arguments '(__b2bpilot_completion)'
"""

SCRIPTS = {Shell.BASH: BASH, Shell.ZSH: ZSH, Shell.FISH: FISH}
