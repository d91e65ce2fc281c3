// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

/* Positions are published every so many records, so that a long drain frees room as it goes. */
enum { PUBLISH_EVERY = 256 };

/* A record is at most this long, and may begin at the last byte of a window. */
enum { WINDOW = 256 * 1024, MARGIN = 16 * 1024 };

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t mapped_bytes(const struct sonde_ring *ring)
{
	return ring->window == ring->size ? 2 * ring->size : ring->window + MARGIN;
}

/* Maps the data from offset AT on, over the former window. The kernel's second copy ends the last.
 */
static bool map_window(struct sonde_ring *ring, size_t at)
{
	void *data = mmap((void *)(uintptr_t)ring->data, mapped_bytes(ring), PROT_READ,
			  MAP_SHARED | (ring->data ? MAP_FIXED : 0), ring->fd,
			  (off_t)(2 * page_size() + at));

	if (data == MAP_FAILED)
		return false;
	ring->data = data;
	ring->window_at = at;
	return true;
}

int sonde_ring_map(int fd, size_t size, struct sonde_ring *out)
{
	struct sonde_ring r = { .size = size,
				.fd = fd,
				.window = size > WINDOW + MARGIN ? WINDOW : size };
	size_t page = page_size();
	void *consumer = MAP_FAILED, *producer = MAP_FAILED;
	int err;

	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer != MAP_FAILED)
		producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer != MAP_FAILED && map_window(&r, 0)) {
		r.consumer = consumer;
		r.producer = producer;
		*out = r;
		return 0;
	}
	err = -errno;
	if (producer != MAP_FAILED)
		munmap(producer, page);
	if (consumer != MAP_FAILED)
		munmap(consumer, page);
	return err;
}

void sonde_ring_unmap(struct sonde_ring *ring)
{
	if (!ring->consumer)
		return;
	munmap(ring->consumer, page_size());
	munmap((void *)(uintptr_t)ring->producer, page_size());
	munmap((void *)(uintptr_t)ring->data, mapped_bytes(ring));
	*ring = (struct sonde_ring){ 0 };
}

/* The byte at position AT, with a whole record readable from there. NULL: it could not be mapped.
 */
static const uint8_t *reach(struct sonde_ring *ring, uint64_t at)
{
	size_t offset = at & (ring->size - 1);

	if (offset - ring->window_at >= ring->window &&
	    !map_window(ring, offset & ~(ring->window - 1)))
		return NULL;
	return ring->data + (offset - ring->window_at);
}

static size_t record_room(uint32_t len)
{
	return (len + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t)7;
}

/* The record at AT, empty when it was discarded, and where the NEXT one is. False: none is whole.
 */
static bool record_at(struct sonde_ring *ring, uint64_t at, uint64_t end,
		      struct sonde_slice *record, uint64_t *next)
{
	const uint8_t *head = at < end ? reach(ring, at) : NULL;
	uint32_t len;

	if (!head)
		return false;
	len = __atomic_load_n((const uint32_t *)(const void *)head, __ATOMIC_ACQUIRE);
	if (len & BPF_RINGBUF_BUSY_BIT)
		return false;
	*next = at + record_room(len & ~BPF_RINGBUF_DISCARD_BIT);
	*record = SONDE_SLICE_EMPTY;
	if (!(len & BPF_RINGBUF_DISCARD_BIT))
		*record = sonde_slice_of(head + BPF_RINGBUF_HDR_SZ, len);
	return true;
}

static uint64_t producer_of(const struct sonde_ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
}

/* The compiler must keep the order of the marks; a kill is as good as a signal handler. */
static void mark(uint64_t *where, uint64_t position)
{
	__atomic_store_n(where, position, __ATOMIC_RELEASE);
}

size_t sonde_ring_drain(struct sonde_ring *ring, size_t budget, sonde_ring_fn fn, void *ctx)
{
	uint64_t at = *ring->consumer, end = producer_of(ring), next;
	struct sonde_slice record;
	size_t n = 0;

	while (n < budget && record_at(ring, at, end, &record, &next)) {
		if (ring->marks)
			mark(&ring->marks->begun, next);
		if (record.len)
			fn(ctx, record);
		if (ring->marks)
			mark(&ring->marks->done, next);
		at = next;
		if (++n % PUBLISH_EVERY == 0)
			__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	return n;
}

void sonde_ring_resume(struct sonde_ring *ring, struct sonde_ring_marks *marks, sonde_ring_fn fn,
		       void *ctx)
{
	uint64_t at = *ring->consumer, next;
	struct sonde_slice record;

	ring->marks = marks;
	/* The page is only as honest as the one before us was. */
	if (marks->done > at && marks->done <= producer_of(ring) && !(marks->done & 7))
		at = marks->done;
	if (marks->begun > at && record_at(ring, at, producer_of(ring), &record, &next)) {
		fn(ctx, record);
		at = next;
	}
	mark(&marks->begun, at);
	mark(&marks->done, at);
	__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
}

void sonde_ring_peek(struct sonde_ring *ring, sonde_ring_fn fn, void *ctx)
{
	uint64_t at = *ring->consumer, end = producer_of(ring), next;
	struct sonde_slice record;

	for (; record_at(ring, at, end, &record, &next); at = next)
		if (record.len)
			fn(ctx, record);
}

size_t sonde_ring_used(const struct sonde_ring *ring)
{
	return (size_t)(producer_of(ring) - *ring->consumer);
}
