/* SPDX-License-Identifier: MIT */
/*
 * Text on its way into HTML, and the head of the page. Every text is one from a job, or may be: it is escaped for content and for
 * attribute values alike. The page has no script, and its policy lets it load nothing.
 */
#include <errno.h>
#include <string.h>

#include "cli/quote.h"
#include "cli/report/report.h"
#include "cli/utf8.h"

void oxi_html_add(struct oxi_buffer *out, const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];
		n = oxi_utf8_len(text + i, len - i);
		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
			oxi_buffer_add_format(out, "&#%u;", c);
		else if (n == 0 || c == 0x7f || (c < ' ' && c != '\n' && c != '\t'))
			oxi_buffer_add_text(out, "\xef\xbf\xbd");
		else
			oxi_buffer_add(out, text + i, n);
		n = n ? n : 1;
	}
}

void oxi_html_add_text(struct oxi_buffer *out, const char *text)
{
	oxi_html_add(out, text, strlen(text));
}

void oxi_html_words(struct oxi_buffer *out, ox_bytes words, size_t most)
{
	struct oxi_buffer text = { 0 };
	oxi_command_add(&text, words, most);
	oxi_html_add(out, text.data, text.len);
	out->failed |= text.failed;
	oxi_buffer_free(&text);
}

const char *oxi_html_class(enum oxi_status status)
{
	return status == OXI_OK || status == OXI_UP_TO_DATE ? "ok" : status == OXI_FAILED || status == OXI_TIMEOUT ? "bad" : "off";
}

int oxi_page_flush(struct oxi_page *p, bool all)
{
	if (!all && p->out.len < OX_KIB(64))
		return 0;
	if (oxi_look_print(p->to, &p->out))
		return 0;
	p->full = true;
	return errno ? -errno : -EIO;
}

static const char STYLE[] =
	":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#667;--line:#d8dce2;--card:#f5f6f8;--ok:#2f9e57;--bad:#d0362d;--off:#9aa3ad}"
	"@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e7ea;--dim:#98a1ab;--line:#30363d;--card:#1d2125;--ok:#3fb56b;--bad:#f0655c;"
	"--off:#6b757f}}"
	"body{margin:0 auto;padding:1.5rem;max-width:1100px;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}"
	"h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .6rem}code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}"
	"pre{background:var(--card);padding:.6rem;margin:.4rem 0;white-space:pre-wrap}.dim{color:var(--dim)}"
	"dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(120px,1fr));gap:.6rem}dl div{background:var(--card);padding:.5rem .7rem;border-radius:6px}"
	"dt{color:var(--dim);font-size:.8rem}dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums}"
	"table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
	"th{color:var(--dim);font-weight:500}td.n,th.n{width:1%;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
	"svg{width:100%;height:auto;display:block}svg text{fill:var(--dim);font:11px system-ui,sans-serif}.lane{fill:var(--card)}.axis{stroke:var(--line)}"
	".ok{fill:var(--ok)}.bad{fill:var(--bad)}.off{fill:var(--off)}td.bad,dd.bad,b.bad{color:var(--bad)}td.ok{color:var(--ok)}"
	"summary{cursor:pointer;padding:.2rem 0}";

void oxi_html_begin(struct oxi_page *p, const char *id)
{
	oxi_buffer_add_text(&p->out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>Run ");
	oxi_html_add_text(&p->out, id);
	oxi_buffer_add_text(&p->out, "</title><style>");
	oxi_buffer_add_text(&p->out, STYLE);
	oxi_buffer_add_text(&p->out, "</style></head>\n<body>\n");
}
