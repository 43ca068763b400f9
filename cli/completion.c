/* SPDX-License-Identifier: MIT */
/*
 * oxbow completion: scripts that make shells complete oxbow's words, written from the tables of the commands. A script holds all
 * it needs, so that a shell starts nothing to complete a word.
 *
 * What an option's argument is completed to hangs on its name in the table: FILE, DIR, PROGRAM and what ends with .so are files.
 * What a command's words are completed to hangs on its usage: COMMAND is a program and what that completes to, RUN a run
 * in ./.oxbow, a|b|c are such words, and all else files.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

/* ---- what the tables say ---- */

static bool is_short(const struct oxi_option *o)
{
	return o->id < OXI_LONG;
}

/* The next word is its argument. */
static bool takes_word(const struct oxi_option *o)
{
	return o->arg && *o->arg != '[';
}

static bool takes_file(const struct oxi_option *o)
{
	static const char *const marks[] = { "FILE", "DIR", "PROGRAM", ".so" };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (o->arg && strstr(o->arg, marks[i]))
			return true;
	}
	return false;
}

static bool any_option(const struct oxi_option *o)
{
	return o != NULL;
}

enum rest { REST_FILES, REST_COMMAND, REST_RUNS, REST_WORDS };

static enum rest rest_of(const struct oxi_command *c)
{
	const char *u = c->usage;
	size_t len = strspn(u, "abcdefghijklmnopqrstuvwxyz|");
	if (len > 0 && u[len] == '\0')
		return REST_WORDS;
	return strstr(u, "COMMAND") ? REST_COMMAND : strstr(u, "RUN") ? REST_RUNS : REST_FILES;
}

/* Text inside single quotes, each of special behind a backslash, and a quote in the shell's way. */
static void put_quoted(const char *text, const char *special, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(quote, stdout);
		else if (strchr(special, *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static void put_options(const struct oxi_command *c, bool (*which)(const struct oxi_option *o))
{
	for (const struct oxi_option *o = c->options; o->name; o++) {
		if (!which(o))
			continue;
		if (is_short(o))
			printf(" -%c", o->id);
		printf(" --%s", o->name);
	}
}

static void put_commands(void)
{
	for (const struct oxi_command *const *c = oxi_commands; *c; c++)
		printf("%s ", (*c)->name);
}

/* The words of a usage a|b|c. */
static void put_words(const char *usage)
{
	for (; *usage; usage++)
		putchar(*usage == '|' ? ' ' : *usage);
}

/* ---- bash ---- */

static void bash_command(const struct oxi_command *c)
{
	printf("\t%s)\n\t\tnames='", c->name);
	put_options(c, any_option);
	printf(" '\n\t\tvalued='");
	put_options(c, takes_word);
	printf(" '\n\t\tfiles='");
	put_options(c, takes_file);
	printf(" '\n");
	enum rest rest = rest_of(c);
	if (rest == REST_WORDS) {
		printf("\t\twords='");
		put_words(c->usage);
		printf("'\n");
	}
	if (rest == REST_RUNS)
		printf("\t\twords=$(ls .oxbow 2>/dev/null)\n");
	if (rest == REST_COMMAND)
		printf("\t\tprogram=1\n");
	printf("\t\t;;\n");
}

static void write_bash(void)
{
	fputs("# Completion of oxbow for bash, written by: oxbow completion bash\n"
	      "_oxbow()\n"
	      "{\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} names='' valued='' files='' words='' program='' option at\n"
	      "\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '", stdout);
	put_commands();
	fputs("help --help --version' -- \"$word\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase ${COMP_WORDS[1]} in\n", stdout);
	for (const struct oxi_command *const *c = oxi_commands; *c; c++)
		bash_command(*c);
	fputs("\thelp)\n\t\twords='", stdout);
	put_commands();
	fputs("'\n"
	      "\t\t;;\n"
	      "\tesac\n"
	      "\t# Options end before the first word that is none, or behind --. bash cuts --name=value into three words.\n"
	      "\tfor ((at = 2; at < COMP_CWORD; at++)); do\n"
	      "\t\toption=${COMP_WORDS[at]}\n"
	      "\t\tif [[ $option == -- ]]; then\n"
	      "\t\t\tnames=''\n"
	      "\t\t\t((at++))\n"
	      "\t\t\tbreak\n"
	      "\t\telif [[ $option == = ]]; then\n"
	      "\t\t\t((at++))\n"
	      "\t\telif [[ $valued == *\" $option \"* ]]; then\n"
	      "\t\t\t[[ ${COMP_WORDS[at + 1]} == = ]] && ((at++))\n"
	      "\t\t\tif ((++at >= COMP_CWORD)); then\n"
	      "\t\t\t\t[[ $files == *\" $option \"* ]] || compopt +o default 2>/dev/null\n"
	      "\t\t\t\treturn\n"
	      "\t\t\tfi\n"
	      "\t\telif [[ $option != -?* ]]; then\n"
	      "\t\t\tbreak\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\tif ((at < COMP_CWORD)); then\n"
	      "\t\t[[ $program ]] && declare -F _command_offset >/dev/null && _command_offset \"$at\"\n"
	      "\telif [[ $word == -* ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$names\" -- \"$word\")\n"
	      "\telif [[ $program ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n"
	      "\telif [[ $words ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "\tfi\n"
	      "\treturn 0\n"
	      "}\n"
	      "complete -o default -F _oxbow oxbow\n", stdout);
}

/* ---- zsh ---- */

#define ZSH_SPECIAL "\\[]:"
#define ZSH_QUOTE   "'\\''"

/* '(-j --jobs)--jobs=[help]:N: ' for _arguments, which knows an optional argument by a second colon. */
static void zsh_option(const struct oxi_option *o, bool letter)
{
	const char *arg = o->arg ? o->arg : "";
	bool optional = *arg == '[', many = strstr(arg, "...") != NULL;
	printf("\t\t\t'");
	if (many)
		putchar('*');
	else if (is_short(o))
		printf("(-%c --%s)", o->id, o->name);
	if (letter)
		printf("-%c%s[", o->id, optional ? "-" : o->arg ? "+" : "");
	else
		printf("--%s%s[", o->name, optional ? "=-" : o->arg ? "=" : "");
	put_quoted(o->help, ZSH_SPECIAL, ZSH_QUOTE);
	putchar(']');
	if (o->arg) {
		fputs(optional ? "::" : ":", stdout);
		put_quoted(arg, ZSH_SPECIAL, ZSH_QUOTE);
		fputs(takes_file(o) ? ":_files" : ": ", stdout);
	}
	fputs("' \\\n", stdout);
}

static void zsh_command(const struct oxi_command *c)
{
	printf("\t(%s)\n\t\t_arguments -s -S -A '-*' : \\\n", c->name);
	for (const struct oxi_option *o = c->options; o->name; o++) {
		if (is_short(o))
			zsh_option(o, true);
		zsh_option(o, false);
	}
	printf("\t\t\t");
	switch (rest_of(c)) {
	case REST_COMMAND:
		printf("'(-):command:_command_names -e' '*::argument:_normal'");
		break;
	case REST_RUNS:
		printf("'*:run or file:{_alternative \"runs:run:(${(j: :)${(q)$(print -l .oxbow/*(N:t))}})\" \"files:file:_files\"}'");
		break;
	case REST_WORDS:
		printf("'*:word:(");
		put_words(c->usage);
		printf(")'");
		break;
	default:
		printf("'*:file:_files'");
	}
	printf("\n\t\t;;\n");
}

static void write_zsh(void)
{
	printf("#compdef oxbow\n"
	       "# Completion of oxbow for zsh, written by: oxbow completion zsh\n"
	       "_oxbow() {\n"
	       "\tlocal -a commands=(\n");
	for (const struct oxi_command *const *c = oxi_commands; *c; c++) {
		printf("\t\t'%s:", (*c)->name);
		put_quoted((*c)->summary, "\\:", ZSH_QUOTE);
		printf("'\n");
	}
	printf("\t\t'help:Prints the help of a command'\n"
	       "\t)\n"
	       "\tif ((CURRENT == 2)); then\n"
	       "\t\t_describe -t commands command commands -- '(--help --version)'\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tlocal command=$words[2]\n"
	       "\tshift words\n"
	       "\t((CURRENT--))\n"
	       "\tcase $command in\n");
	for (const struct oxi_command *const *c = oxi_commands; *c; c++)
		zsh_command(*c);
	printf("\t(help)\n"
	       "\t\t_describe -t commands command commands\n"
	       "\t\t;;\n"
	       "\tesac\n"
	       "}\n"
	       "# As a file of the search path it is the function; sourced, it tells zsh of it.\n"
	       "if [[ $funcstack[1] == _oxbow ]]; then\n"
	       "\t_oxbow \"$@\"\n"
	       "else\n"
	       "\tcompdef _oxbow oxbow\n"
	       "fi\n");
}

/* ---- fish ---- */

#define FISH_SPECIAL "\\"
#define FISH_QUOTE   "\\'"

static void fish_option(const struct oxi_command *c, const struct oxi_option *o)
{
	printf("complete -c oxbow -n '__oxbow_options %s' -l %s", c->name, o->name);
	if (is_short(o))
		printf(" -s %c", o->id);
	if (takes_word(o))
		fputs(takes_file(o) ? " -r -F" : " -x", stdout);
	fputs(" -d '", stdout);
	put_quoted(o->help, FISH_SPECIAL, FISH_QUOTE);
	fputs("'\n", stdout);
}

static void fish_command(const struct oxi_command *c)
{
	printf("\ncomplete -c oxbow -n __fish_use_subcommand -a %s -d '", c->name);
	put_quoted(c->summary, FISH_SPECIAL, FISH_QUOTE);
	fputs("'\n", stdout);
	for (const struct oxi_option *o = c->options; o->name; o++)
		fish_option(c, o);
	switch (rest_of(c)) {
	case REST_COMMAND:
		printf("complete -c oxbow -n '__oxbow_is %s' -x -a '(__fish_complete_subcommand --fcs-skip=2", c->name);
		put_options(c, takes_word);
		printf(")'\n");
		break;
	case REST_RUNS:
		printf("complete -c oxbow -n '__oxbow_is %s' -F -a '(ls .oxbow 2>/dev/null)'\n", c->name);
		break;
	case REST_WORDS:
		printf("complete -c oxbow -n '__oxbow_is %s' -a '", c->name);
		put_words(c->usage);
		printf("'\n");
		break;
	default:
		printf("complete -c oxbow -n '__oxbow_is %s' -F\n", c->name);
	}
}

static void write_fish(void)
{
	printf("# Completion of oxbow for fish, written by: oxbow completion fish\n"
	       "function __oxbow_is\n"
	       "\tset -l words (commandline -opc)\n"
	       "\ttest (count $words) -gt 1; and test $words[2] = $argv[1]\n"
	       "end\n"
	       "# Options end before the first word that is none, as far as that can be seen: behind one that is no option's argument.\n"
	       "function __oxbow_options\n"
	       "\t__oxbow_is $argv[1]; or return\n"
	       "\tset -l words (commandline -opc)[3..]\n"
	       "\tset -l valued\n"
	       "\tswitch $argv[1]\n");
	for (const struct oxi_command *const *c = oxi_commands; *c; c++) {
		printf("\tcase %s\n\t\tset valued", (*c)->name);
		put_options(*c, takes_word);
		printf("\n");
	}
	printf("\tend\n"
	       "\twhile set -q words[1]\n"
	       "\t\tstring match -q -- '-?*' $words[1]; and test $words[1] != --; or return 1\n"
	       "\t\tcontains -- $words[1] $valued; and set -e words[1]\n"
	       "\t\tset -e words[1]\n"
	       "\tend\n"
	       "end\n"
	       "complete -c oxbow -f\n"
	       "complete -c oxbow -n __fish_use_subcommand -l help -d 'Print the commands'\n"
	       "complete -c oxbow -n __fish_use_subcommand -l version -d 'Print the version'\n"
	       "complete -c oxbow -n __fish_use_subcommand -a help -d 'Prints the help of a command'\n"
	       "complete -c oxbow -n '__oxbow_is help' -a '");
	put_commands();
	printf("'\n");
	for (const struct oxi_command *const *c = oxi_commands; *c; c++)
		fish_command(*c);
}

/* ---- the command ---- */

static const struct oxi_option OPTIONS[] = {
	OXI_COMMON_OPTIONS,
	{ 0 },
};

static const struct shell {
	const char *name;
	void (*write)(void);
} SHELLS[] = { { "bash", write_bash }, { "zsh", write_zsh }, { "fish", write_fish } };

#define SHELLS_LEN (sizeof(SHELLS) / sizeof(SHELLS[0]))

static int run(int argc, char **argv)
{
	const char *value;
	int id = oxi_options_next(&oxi_command_completion, argc, argv, &value);
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (argc - optind != 1) {
		oxi_say("completion", "which shell? give bash, zsh or fish");
		return OXI_EXIT_USAGE;
	}
	for (size_t i = 0; i < SHELLS_LEN; i++) {
		if (strcmp(argv[optind], SHELLS[i].name) == 0) {
			SHELLS[i].write();
			return OXI_EXIT_OK;
		}
	}
	oxi_say("completion", "'%s' is not known: give bash, zsh or fish", argv[optind]);
	return OXI_EXIT_USAGE;
}

const struct oxi_command oxi_command_completion = {
	.name = "completion",
	.summary = "Prints a script that completes oxbow's words in a shell",
	.usage = "bash|zsh|fish",
	.options = OPTIONS,
	.notes = "make install puts the scripts where shells look for them.\n",
	.run = run,
};
