// SPDX-License-Identifier: Apache-2.0
/*
 * sendfile_server - an HTTP/1.1 keep-alive server that sends one file with sendfile(2).
 *
 *   sendfile_server ADDRESS PORT FILE [LOG]
 *
 * The body never passes through the process. /file is the file, the rest is 404. A thread for
 * each connection. The head leaves with MSG_MORE, so that it shares a segment with the body.
 */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "tests/e2e/servers/threads.h"

static int file_fd;
static size_t file_len;

static bool send_file(int fd)
{
	off_t at = 0;

	while ((size_t)at < file_len)
		if (sendfile(fd, file_fd, &at, file_len - (size_t)at) <= 0)
			return false;
	return true;
}

static bool answer(int fd, const struct server_request *r, const struct timespec *arrival)
{
	bool known = !strcmp(r->path, "/file");
	char head[128];
	int n;

	(void)arrival;
	server_log(r, known ? 200 : 404);
	n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
		     known ? "200 OK" : "404 Not Found", known ? file_len : 0);
	if (send(fd, head, (size_t)n, known ? MSG_MORE : 0) != n)
		return false;
	return !known || send_file(fd);
}

int main(int argc, char **argv)
{
	struct stat st;

	if (argc < 4)
		errx(2, "usage: sendfile_server ADDRESS PORT FILE [LOG]");
	server_setup(argc > 4 ? argv[4] : NULL);
	file_fd = open(argv[3], O_RDONLY | O_CLOEXEC);
	if (file_fd < 0 || fstat(file_fd, &st))
		err(1, "%s", argv[3]);
	file_len = (size_t)st.st_size;
	return server_run_threads(argv[1], argv[2], answer);
}
