// SPDX-License-Identifier: Apache-2.0
/* Walks over maps: what they tell is gathered in a file, as the iterators' own would hold it. */
#include "agent/probe/probe_internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int keep(void *ctx, void *record, size_t len)
{
	ssize_t n = write(*(int *)ctx, record, len);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

/* One run after the other, each for as much as the ring holds. */
static int walk_to_end(const struct bpf_program *prog, uint32_t what, struct ring_buffer *ring)
{
	struct sonde_walk_ask ask = { .what = what };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ask, .ctx_size_in = sizeof(ask));
	int n;

	do {
		uint64_t before = ask.at;

		ask.more = 0;
		if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
			return -errno;
		n = ring ? ring_buffer__consume(ring) : 0;
		if (ask.more && !n && ask.at == before)
			return -ENOSPC; /* an empty ring without room for one record */
	} while (ask.more && n >= 0);
	return n < 0 ? n : 0;
}

int sonde_probe_walk(struct sonde_probe *p, const struct bpf_program *prog, uint32_t what)
{
	int fd = memfd_create("sonde-snapshot", MFD_CLOEXEC), err;
	struct ring_buffer *ring;

	if (fd < 0)
		return -errno;
	ring = ring_buffer__new(bpf_map__fd(p->skel->maps.sonde_walk_ring), keep, &fd, NULL);
	err = ring ? walk_to_end(prog, what, ring) : -errno;
	ring_buffer__free(ring);
	if (!err && lseek(fd, 0, SEEK_SET))
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}
