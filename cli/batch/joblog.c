/* SPDX-License-Identifier: MIT */
/*
 * The columns are those of GNU parallel 20221122, byte for byte:
 *
 *	Seq Host Starttime JobRuntime Send Receive Exitval Signal Command
 *
 * with tabs between them, the host ":" for this one, times with milliseconds, the run time at least ten wide, a
 * timeout as exit -1, and a newline in a command as a NUL byte. The command is quoted for a shell, so that
 * --retry-failed can run it. A line is one write in append mode.
 */
#include "cli/batch/joblog.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/quote.h"

static const char HEADER[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

int oxi_joblog_write(int fd, const struct oxi_buffer *line)
{
	if (line->failed)
		return OX_ENOMEM;
	for (size_t at = 0; at < line->len;) {
		ssize_t n = write(fd, line->data + at, line->len - at);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int oxi_joblog_open(const char *path, bool append)
{
	bool plus = *path == '+';
	struct stat st;
	int fd = open(path + plus, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (append || plus ? 0 : O_TRUNC), 0666);
	if (fd < 0)
		return -errno;
	struct oxi_buffer header = { .data = (char *)HEADER, .len = sizeof(HEADER) - 1 };
	int r = fstat(fd, &st) < 0 || st.st_size == 0 ? oxi_joblog_write(fd, &header) : 0;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

void oxi_joblog_line(const struct oxi_job *j, double began, const struct oxi_buffer *words, struct oxi_buffer *out)
{
	bool timeout = j->outcome.status == OXI_TIMEOUT;
	oxi_buffer_add_format(out, "%llu\t:\t%.3f\t%10.3f\t0\t%llu\t%d\t%d\t", (unsigned long long)j->seq, began,
	                      (double)j->wall / 1e9, (unsigned long long)j->received[0], timeout ? -1 : j->outcome.exit,
	                      j->outcome.signal);
	size_t from = out->len;
	oxi_buffer_add_quoted_words(out, words->data, words->len, true);
	for (size_t i = from; i < out->len; i++) {
		if (out->data[i] == '\n')
			out->data[i] = '\0';
	}
	oxi_buffer_add_char(out, '\n');
}
