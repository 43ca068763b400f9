# SPDX-License-Identifier: MIT
# Takes the program out of a manual page's EXAMPLES: its literal display, with mdoc's escapes undone.
/^\.Sh EXAMPLES/ { examples = 1; next }
/^\.Sh / { examples = 0 }
examples && /^\.Bd -literal/ { program = 1; next }
program && /^\.Ed/ { exit }
program {
	gsub(/\\&/, "")
	gsub(/\\e/, "\\")
	print
}
