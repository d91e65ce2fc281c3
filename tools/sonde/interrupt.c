// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "tools/sonde/cli.h"

/* A signal handler has nowhere else to write to. */
static volatile sig_atomic_t caught;
static int event_fd = -1;

static void on_signal(int number)
{
	uint64_t one = 1;
	int saved = errno;

	(void)number;
	caught = 1;
	(void)!write(event_fd, &one, sizeof(one));
	errno = saved;
}

void sonde_interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	if (event_fd < 0)
		event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool sonde_interrupted(void)
{
	return caught != 0;
}

int sonde_interrupt_fd(void)
{
	return event_fd;
}

bool sonde_interrupt_pause(uint64_t ns)
{
	struct pollfd fd = { .fd = event_fd, .events = POLLIN };
	uint64_t until_ns = sonde_clock_mono_ns() + ns, now_ns;

	while (!caught && (now_ns = sonde_clock_mono_ns()) < until_ns) {
		uint64_t ms = (until_ns - now_ns) / SONDE_NS_PER_MS + 1;

		poll(&fd, 1, ms < 60000 ? (int)ms : 60000);
	}
	return !caught;
}
