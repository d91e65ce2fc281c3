// SPDX-License-Identifier: Apache-2.0
/* Iterators: those that are run here to their end, and those whose files the worker reads. */
#include "agent/probe/probe_internal.h"

#include <errno.h>
#include <unistd.h>

/* Runs an iterator to its end; its programs write to the ring and nothing to the file. */
static int run_iterator(const struct bpf_link *link)
{
	char ignored[64];
	ssize_t n;
	int err = 0, fd = bpf_iter_create(bpf_link__fd(link));

	if (fd < 0)
		return fd;
	do
		n = read(fd, ignored, sizeof(ignored));
	while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

int sonde_probe_adopt(struct sonde_probe *p)
{
	int err = 0;

	if (sonde_probe_missing(p, p->skel->progs.sonde_adopt))
		return -ENOTSUP;
	p->adopt = bpf_program__attach_iter(p->skel->progs.sonde_adopt, NULL);
	if (!p->adopt) {
		sonde_probe_set_missing(p, p->skel->progs.sonde_adopt, "it could not be attached");
		return -errno;
	}
	for (uint32_t pass = SONDE_IDENT_LISTENERS; pass <= SONDE_IDENT_TIDY && !err; pass++) {
		p->control->ident_pass = pass;
		err = run_iterator(p->adopt);
	}
	bpf_link__destroy(p->adopt);
	p->adopt = NULL;
	return err;
}

/* The link of an iterator over a map, or of its stand-in over all files, made on first use. NULL
 * with errno set. */
static struct bpf_link *iterator(struct sonde_probe *p, enum sonde_probe_iterator which)
{
	const struct {
		struct bpf_program *prog;
		struct bpf_map *map;
	} all[SONDE_PROBE_ITERATORS] = {
		[SONDE_PROBE_PROGRESS] = { p->skel->progs.sonde_progress,
					   p->skel->maps.sonde_socks },
		[SONDE_PROBE_REOPEN] = { p->skel->progs.sonde_reopen, p->skel->maps.sonde_socks },
		[SONDE_PROBE_UDP_INDEX] = { p->skel->progs.sonde_udp_index,
					    p->skel->maps.sonde_udp },
		[SONDE_PROBE_FACTS] = { p->skel->progs.sonde_facts, p->skel->maps.sonde_socks },
		[SONDE_PROBE_UDP_SOCKETS] = { p->skel->progs.sonde_udp_sock,
					      p->skel->maps.sonde_udp_socks },
		[SONDE_PROBE_UDP_FLOWS] = { p->skel->progs.sonde_udp_flows,
					    p->skel->maps.sonde_udp },
		[SONDE_PROBE_UDP_REST] = { p->skel->progs.sonde_udp_flows,
					   p->skel->maps.sonde_udp_rest },
		[SONDE_PROBE_DROPS] = { p->skel->progs.sonde_drop_sums, p->skel->maps.sonde_drops },
	};
	union bpf_iter_link_info info = {
		.map.map_fd = (uint32_t)bpf_map__fd(all[which].map),
	};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_program *prog = sonde_probe_usable(p, all[which].prog);

	if (sonde_probe_missing(p, all[which].prog) ||
	    bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL) {
		errno = ENOTSUP;
		return NULL;
	}
	if (!p->iterators[which])
		p->iterators[which] =
			bpf_program__attach_iter(prog, prog == all[which].prog ? &opts : NULL);
	return p->iterators[which];
}

int sonde_probe_progress(struct sonde_probe *p)
{
	struct bpf_link *link = iterator(p, SONDE_PROBE_PROGRESS);

	if (!link)
		return -errno;
	p->control->walk++;
	return run_iterator(link);
}

int sonde_probe_reopen(struct sonde_probe *p)
{
	struct bpf_link *link = iterator(p, SONDE_PROBE_REOPEN);

	if (!link)
		return -errno;
	p->control->walk++;
	return run_iterator(link);
}

/* What an iterator would give, by a walk. The file, or -1. */
static int walk(struct sonde_probe *p, enum sonde_probe_iterator which)
{
	const struct {
		struct bpf_program *prog;
		uint32_t what;
	} all[SONDE_PROBE_ITERATORS] = {
		[SONDE_PROBE_UDP_INDEX] = { p->skel->progs.sonde_udp_index, SONDE_WALK_INDEX },
		[SONDE_PROBE_UDP_FLOWS] = { p->skel->progs.sonde_udp_flows, SONDE_WALK_FLOWS },
		[SONDE_PROBE_UDP_REST] = { p->skel->progs.sonde_udp_flows, SONDE_WALK_REST },
		[SONDE_PROBE_DROPS] = { p->skel->progs.sonde_drop_sums, 0 },
	};
	const struct bpf_program *prog =
		all[which].prog ? sonde_probe_usable(p, all[which].prog) : NULL;

	if (!prog || bpf_program__type(prog) != BPF_PROG_TYPE_SYSCALL || bpf_program__fd(prog) < 0)
		return -1;
	return sonde_probe_walk(p, prog, all[which].what);
}

/* The files of one kind: an iterator's, or what stands in for it. Negative: there is none. */
static int open_one(struct sonde_probe *p, enum sonde_probe_iterator which)
{
	struct bpf_link *link = iterator(p, which);

	return link ? bpf_iter_create(bpf_link__fd(link)) : walk(p, which);
}

size_t sonde_probe_snapshot(struct sonde_probe *p, int fds[SONDE_PROBE_SNAPSHOTS])
{
	struct bpf_link *index = iterator(p, SONDE_PROBE_UDP_INDEX);
	size_t n = 0;

	/* Once to enter all flows, once for each to find its other end among them. */
	for (int pass = 0; pass < 2; pass++) {
		int fd = index ? run_iterator(index) : walk(p, SONDE_PROBE_UDP_INDEX);

		if (!index && fd >= 0)
			close(fd);
	}
	p->control->walk++;
	for (int i = SONDE_PROBE_FACTS; i < SONDE_PROBE_ITERATORS; i++) {
		int fd = open_one(p, (enum sonde_probe_iterator)i);

		if (fd >= 0)
			fds[n++] = fd;
	}
	return n;
}
