#!/bin/sh
# SPDX-License-Identifier: MIT
# Completion, by the shells themselves: bash by its function, fish by its own question, zsh on a terminal. Shells that are not
# there are skipped. That the scripts have all options is in options.sh.
. "$(dirname "$0")/lib.sh"
HOME=$work
export HOME
cd "$work" || exit 1
mkdir folder .oxbow .oxbow/4711abcd
: >folder.txt

# The words that bash offers for the last of the words.
bash_gives() {
	bash -c 'source "$1"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_oxbow oxbow "${COMP_WORDS[COMP_CWORD]}"
		echo "${COMPREPLY[*]}"' bash "$work/bash" "$@"
}
if command -v bash >/dev/null; then
	"$oxbow" completion bash >"$work/bash"
	holds 'bash reads it' bash -n "$work/bash"
	is 'bash: a command' "$(bash_gives oxbow compl)" completion
	has 'bash: all commands' "$(bash_gives oxbow '')" '*run*replay*help*--version*'
	is 'bash: a long option' "$(bash_gives oxbow run --kee)" --keep-order
	is 'bash: behind an option with an argument' "$(bash_gives oxbow run -k -j 2 --kee)" --keep-order
	is 'bash: behind one with =, which bash cuts' "$(bash_gives oxbow run --jobs = 2 --kee)" --keep-order
	is 'bash: behind an optional argument' "$(bash_gives oxbow run --tag = x --kee)" --keep-order
	is 'bash: an argument is left to it' "$(bash_gives oxbow run --jobs =)$(bash_gives oxbow run -j '')$(bash_gives oxbow run --joblog fol)" ''
	is 'bash: options end at a word' "$(bash_gives oxbow run true --kee)" ''
	is 'bash: options end at --' "$(bash_gives oxbow run -- --kee)" ''
	is 'bash: the options of another command are not those of run' "$(bash_gives oxbow worker --kee)" ''
	has 'bash: a program' " $(bash_gives oxbow run -j2 prin) " '* printf *'
	is 'bash: words' "$(bash_gives oxbow completion '')" 'bash zsh fish'
	is 'bash: help' "$(bash_gives oxbow help repl)" replay
else
	echo 'SKIP: bash is not installed'
fi

# The words that fish offers for a line.
fish_gives() {
	timeout 60 fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$work/fish" "$1" | cut -f1 | tr '\n' ' '
}
if command -v fish >/dev/null; then
	"$oxbow" completion fish >"$work/fish"
	holds 'fish reads it' fish -n "$work/fish"
	is 'fish: a command' "$(fish_gives 'oxbow compl')" 'completion '
	is 'fish: a long option' "$(fish_gives 'oxbow run --kee')" '--keep-order '
	is 'fish: behind an option with an argument' "$(fish_gives 'oxbow run -k -j 2 --kee')" '--keep-order '
	is 'fish: options end at a word' "$(fish_gives 'oxbow run true --keep-o')" ''
	is 'fish: the options of another command are not those of run' "$(fish_gives 'oxbow worker --keep-o')" ''
	is 'fish: a file' "$(fish_gives 'oxbow run --joblog folder.t')" 'folder.txt '
	is 'fish: no file' "$(fish_gives 'oxbow run --jobs folder.t')" ''
	has 'fish: a program' " $(fish_gives 'oxbow run -j2 prin')" '* printf *'
	is 'fish: words' "$(fish_gives 'oxbow completion ')" 'bash fish zsh '
else
	echo 'SKIP: fish is not installed'
fi

# What a line that is typed into zsh becomes: oxbow is a function there that tells its words.
zsh_makes() {
	timeout 60 zsh -f -c 'zmodload zsh/zpty
		zpty z "TERM=vt100 zsh -f -i"
		zpty -w z "PS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -d $1.dump; source $1"
		zpty -w z "oxbow() { print \"GOT:\$*:\" }"
		zpty -w z ${(g::)2}
		zpty -w z exit
		while zpty -r z text; do print -rn -- $text; done' zsh "$work/zsh" "$1" </dev/null | tr -d '\r' | sed -n 's/^GOT:\(.*\):$/\1/p'
}
if ! command -v zsh >/dev/null; then
	echo 'SKIP: zsh is not installed'
elif "$oxbow" completion zsh >"$work/zsh" && holds 'zsh reads it' zsh -n "$work/zsh" && ! zsh -f -c 'zmodload zsh/zpty' 2>/dev/null; then
	echo 'SKIP: this zsh can make no terminal'
else
	is 'zsh: a command' "$(zsh_makes 'oxbow compl\tx')" 'completion x'
	is 'zsh: a long option' "$(zsh_makes 'oxbow run --keep-o\tx')" 'run --keep-order x'
	is 'zsh: behind an option with an argument' "$(zsh_makes 'oxbow run -u -j 2 --keep-o\tx')" 'run -u -j 2 --keep-order x'
	is 'zsh: options end at a word' "$(zsh_makes 'oxbow run true --keep-o\tx')" 'run true --keep-ox'
	is 'zsh: a file' "$(zsh_makes 'oxbow run --joblog folder.t\tx')" 'run --joblog folder.txt x'
	is 'zsh: words' "$(zsh_makes 'oxbow completion fi\tx')" 'completion fish x'
fi
finish
