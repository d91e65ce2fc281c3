// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/wake.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "bpf/abi/control.h"

static struct sonde_control *page_of(struct sonde_wake *w)
{
	return (struct sonde_control *)w->page;
}

int sonde_wake_map(int fd, struct sonde_wake *out)
{
	void *page =
		mmap(NULL, sizeof(struct sonde_control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	out->page = page;
	return 0;
}

void sonde_wake_unmap(struct sonde_wake *w)
{
	if (w->page)
		munmap(w->page, sizeof(struct sonde_control));
	w->page = NULL;
}

void sonde_wake_sleep(struct sonde_wake *w)
{
	__atomic_store_n(&page_of(w)->sleeping, 1, __ATOMIC_SEQ_CST);
}

void sonde_wake_up(struct sonde_wake *w)
{
	__atomic_store_n(&page_of(w)->sleeping, 0, __ATOMIC_SEQ_CST);
}

void sonde_wake_stream(struct sonde_wake *w, uint64_t id, bool all)
{
	struct sonde_control *page = page_of(w);
	uint32_t slot = SONDE_STREAM_SLOT(id);

	__atomic_store_n(all ? &page->stream[slot] : &page->leave[slot], id, __ATOMIC_RELAXED);
}
