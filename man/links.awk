# SPDX-License-Identifier: MIT
# Reads manual pages and prints, for each name that a page documents besides its own, "name.3 page.3". The names are those of
# the page's NAME section.
FNR == 1 {
	page = FILENAME
	sub(/.*\//, "", page)
	section = page
	sub(/.*\./, "", section)
	names = 0
}
/^\.Sh / { names = $2 == "NAME" }
names && $1 == ".Nm" && $2 "." section != page { print $2 "." section, page }
