// SPDX-License-Identifier: Apache-2.0
/*
 * `sonde limit detach`: nothing of the limiter is left in the kernel afterwards. A daemon that runs
 * is asked to let go of its rules first; without one the pins are removed all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/daemon/limit_kernel.h"
#include "agent/probe/limit_probe.h"
#include "tools/sonde/limit.h"

/* Somebody listens at the control socket; a daemon that was killed leaves but the file behind. */
static bool is_running(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir, SONDE_WIRE_SOCKET);
	yes = fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (fd >= 0)
		close(fd);
	return yes;
}

static int ask_daemon(const char *run_dir)
{
	struct sonde_limit_answers a;
	Sonde__LimitRequest r;
	int code;

	sonde__limit_request__init(&r);
	r.verb = SONDE__LIMIT_REQUEST__VERB__REMOVE;
	code = sonde_limit_ask(run_dir, &r, &a);
	if (code == SONDE_EXIT_OK)
		sonde_limit_answers_free(&a);
	return code;
}

int sonde_limit_detach(const struct sonde_cli *cli)
{
	char pins[128], error[256] = "";
	int err;

	if (is_running(cli->run_dir)) {
		int code = ask_daemon(cli->run_dir);

		if (code != SONDE_EXIT_OK)
			return code;
	}
	sonde_limit_kernel_pins(cli->run_dir, pins, sizeof(pins));
	err = sonde_limit_probe_remove(pins, error, sizeof(error));
	if (err) {
		sonde_complain("limit detach: %s", error[0] ? error : strerror(-err));
		return err == -EPERM || err == -EACCES ? SONDE_EXIT_PRIVILEGE : SONDE_EXIT_FAILURE;
	}
	printf("nothing of the limiter is left in the kernel\n");
	return SONDE_EXIT_OK;
}
