/* SPDX-License-Identifier: Apache-2.0 */
/* The standard streams of both programs: there from the start, and nothing lost at the end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"

void streams_open(void)
{
	struct pollfd std[3] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
	int fd;

	/* One call tells, which nearly always is all that is needed. */
	if (poll(std, 3, 0) >= 0 && !((std[0].revents | std[1].revents | std[2].revents) & POLLNVAL))
		return;
	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
		(void)fd_set_cloexec(fd, false);
	fd_close(&fd);
}

int streams_flush(int result, struct error *err)
{
	const bool lost = ferror(stdout) != 0;

	errno = EIO;
	if ((fflush(stdout) == 0 && !lost) || errno == EPIPE || result < 0)
		return result;
	return error_sys(err, errno, "write standard output");
}
