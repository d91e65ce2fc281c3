// SPDX-License-Identifier: Apache-2.0
/*
 * replay_bench - what userspace costs per record, without a kernel in the way.
 *
 *   replay_bench [-f IMAGE] ROUNDS
 *
 * A ring image in memory, recorded (-f: data pages as the kernel lays them out) or made here (200
 * connections of 25 exchanges each, interleaved), is drained ROUNDS times through the reader,
 * track, the routes and the series, as the worker does it. Prints one JSON object: records,
 * exchanges, nanoseconds per record as the least of the rounds. replay_bench.py runs it under
 * callgrind as well, which counts the instructions of replay_round() alone.
 */
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/config.h"
#include "agent/daemon/pipeline.h"
#include "agent/probe/reader.h"
#include "agent/probe/ring.h"
#include "agent/track/track.h"
#include "bpf/abi/record.h"

enum { CONNECTIONS = 200, EXCHANGES = 25, IMAGE_MAX = 16 << 20, GAP_NS = 100000 };

static const char *const heads[] = {
	"GET /api/products/%u HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; "
	"Linux "
	"x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml;"
	"q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"
	"Connection: keep-alive\r\n\r\n",
	"GET /cart HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n",
	"GET /static/app.js?v=%u HTTP/1.1\r\nHost: shop.example\r\nIf-None-Match: \"a\"\r\n\r\n",
	"GET /health HTTP/1.1\r\nHost: shop.example\r\n\r\n",
};
static const char answer[] =
	"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 01 Jan 2000 00:00:00 "
	"GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n";

static struct {
	uint8_t *data;
	uint64_t producer, consumer;
} image;

static struct {
	struct sonde_config config;
	struct sonde_ledger ledger;
	struct sonde_track *track;
	struct sonde_pipeline pipeline;
	uint64_t records, requests, invalid;
} worker;

/* ---- an image ---- */

/* Room for a record of LEN bytes, with the header that the kernel would write. */
static void *reserve(size_t len)
{
	uint8_t *at = image.data + image.producer;
	uint32_t n = (uint32_t)len;

	image.producer += (len + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t)7;
	if (image.producer > IMAGE_MAX)
		errx(1, "the image is full");
	memcpy(at, &n, sizeof(n));
	return at + BPF_RINGBUF_HDR_SZ;
}

static struct sonde_rec header(uint8_t type, size_t len, uint64_t id)
{
	return (struct sonde_rec){
		.version = SONDE_ABI_VERSION, .type = type, .len = (uint16_t)len, .id = id
	};
}

static void put_open(uint64_t id, uint64_t now)
{
	struct sonde_rec_open r = { .rec = header(SONDE_REC_OPEN, sizeof(r), id),
				    .stamp_ns = now,
				    .cgroup_id = 1,
				    .start_ns = 1,
				    .local_port = 80,
				    .remote_port = (uint16_t)(20000 + id),
				    .pid = 100,
				    .comm = "nginx",
				    .side = SONDE_SIDE_SERVER };

	r.local[10] = r.local[11] = r.remote[10] = r.remote[11] = 0xff;
	r.local[12] = r.remote[12] = 10;
	memcpy(reserve(sizeof(r)), &r, sizeof(r));
}

static void put_data(uint64_t id, uint8_t direction, struct sonde_flow *flow, uint64_t now,
		     const char *text, size_t len)
{
	struct sonde_flow *mine = &flow[direction], *other = &flow[!direction];
	struct sonde_rec_data r = { .rec = header(SONDE_REC_DATA, sizeof(r) + len, id),
				    .stamp_ns = now,
				    .position = mine->bytes,
				    .peer_bytes = other->bytes,
				    .peer_last_ns = other->last_ns,
				    .head = ++mine->heads,
				    .segment_len = (uint32_t)len,
				    .captured = (uint16_t)len,
				    .direction = direction,
				    .flags = SONDE_DATA_FIRST };
	uint8_t *at = reserve(sizeof(r) + len);

	if (direction == SONDE_DIR_EGRESS)
		r.flags |= SONDE_DATA_RESPONSE;
	memcpy(at, &r, sizeof(r));
	memcpy(at + sizeof(r), text, len);
	mine->bytes += len;
	mine->last_ns = now;
}

static void put_close(uint64_t id, const struct sonde_flow *flow, uint64_t now)
{
	struct sonde_rec_close r = { .rec = header(SONDE_REC_CLOSE, sizeof(r), id),
				     .stamp_ns = now,
				     .flags = SONDE_CLOSE_FIN_IN | SONDE_CLOSE_FIN_OUT };

	memcpy(r.flow, flow, sizeof(r.flow));
	memcpy(reserve(sizeof(r)), &r, sizeof(r));
}

static void make_image(void)
{
	static struct sonde_flow flows[CONNECTIONS][SONDE_DIRS];
	uint64_t now = SONDE_NS_PER_SEC;
	char text[512];

	for (uint64_t c = 0; c < CONNECTIONS; c++)
		put_open(c + 1, now += GAP_NS);
	for (unsigned i = 0; i < CONNECTIONS * EXCHANGES; i++) {
		unsigned c = i % CONNECTIONS, kind = i / 7 % 4;
		const char *mark = strstr(heads[kind], "%u");
		int n = mark ? snprintf(text, sizeof(text), "%.*s%u%s", (int)(mark - heads[kind]),
					heads[kind], i, mark + 2)
			     : snprintf(text, sizeof(text), "%s", heads[kind]);

		put_data(c + 1, SONDE_DIR_INGRESS, flows[c], now += GAP_NS, text, (size_t)n);
		put_data(c + 1, SONDE_DIR_EGRESS, flows[c], now += GAP_NS, answer,
			 sizeof(answer) - 1);
	}
	for (unsigned c = 0; c < CONNECTIONS; c++)
		put_close(c + 1, flows[c], now += GAP_NS);
}

static void read_image(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		err(1, "%s", path);
	image.producer = fread(image.data, 1, IMAGE_MAX, f);
	fclose(f);
}

/* ---- the worker's path ---- */

/* Named from the start: the broker's answers are not part of what is measured. */
static struct sonde_process *identify(void *ctx, const struct sonde_record_open *open)
{
	struct sonde_process *process = sonde_processes_get(
		worker.pipeline.processes, open->pid, open->start_ns, open->cgroup_id,
		sonde_slice_of(open->comm, sizeof(open->comm)));

	(void)ctx;
	process->resolved = true;
	return process;
}

static struct sonde_process *hold(void *ctx, struct sonde_process *p)
{
	(void)ctx;
	return sonde_processes_hold(p);
}

static void release(void *ctx, struct sonde_process *p)
{
	(void)ctx;
	sonde_processes_put(worker.pipeline.processes, p);
}

static void finished(void *ctx, struct sonde_request *r)
{
	(void)ctx;
	worker.requests++;
	sonde_pipeline_request(&worker.pipeline, r, r->start_ns);
}

static void lost(void *ctx, struct sonde_process *p, uint16_t port, enum sonde_role role,
		 enum sonde_loss why, uint64_t n)
{
	(void)ctx;
	sonde_pipeline_lost(&worker.pipeline, p, port, role, why, n);
}

static void connection(void *ctx, struct sonde_connection *c, enum sonde_connection_event event)
{
	(void)ctx;
	sonde_pipeline_connection(&worker.pipeline, c, event, 0);
}

static void want_stream(void *ctx, uint64_t id, bool all)
{
	(void)ctx;
	(void)id;
	(void)all;
}

static void want_reopen(void *ctx)
{
	(void)ctx;
}

static void take(void *ctx, struct sonde_slice raw)
{
	struct sonde_record record;

	(void)ctx;
	worker.records++;
	if (sonde_reader_decode(raw, &record))
		worker.invalid++;
	else
		sonde_track_record(worker.track, &record);
}

static void open_worker(void)
{
	static const struct sonde_track_ops ops = { .identify = identify,
						    .hold = hold,
						    .release = release,
						    .request = finished,
						    .connection = connection,
						    .lost = lost,
						    .want_stream = want_stream,
						    .want_reopen = want_reopen };
	char error[256] = "";

	if (sonde_config_defaults(&worker.config) ||
	    sonde_track_new(&worker.config, &ops, &worker.ledger, &worker.track) ||
	    sonde_pipeline_init(&worker.pipeline, &worker.config, &worker.ledger, error,
				sizeof(error)))
		errx(1, "setup: %s", error);
}

__attribute__((noinline)) static uint64_t replay_round(void)
{
	struct sonde_ring ring = { .consumer = &image.consumer,
				   .producer = &image.producer,
				   .data = image.data,
				   .size = IMAGE_MAX,
				   .window = IMAGE_MAX,
				   .fd = -1 };
	uint64_t start = sonde_clock_mono_ns();

	image.consumer = 0;
	worker.records = worker.requests = 0;
	while (sonde_ring_drain(&ring, 1024, take, NULL))
		continue;
	return sonde_clock_mono_ns() - start;
}

int main(int argc, char **argv)
{
	uint64_t least = UINT64_MAX;
	int rounds, option;

	image.data = calloc(1, IMAGE_MAX);
	if (!image.data)
		err(1, "image");
	while ((option = getopt(argc, argv, "f:")) == 'f')
		read_image(optarg);
	rounds = optind < argc ? atoi(argv[optind]) : 20;
	if (!image.producer)
		make_image();
	open_worker();
	for (int i = 0; i < rounds; i++) {
		uint64_t ns = replay_round();

		least = ns < least ? ns : least;
	}
	printf("{\"records\":%lu,\"requests\":%lu,\"invalid\":%lu,\"bytes\":%lu,"
	       "\"ns_per_record\":%.1f}\n",
	       worker.records, worker.requests, worker.invalid, image.producer,
	       (double)least / (double)worker.records);
	sonde_track_free(worker.track);
	sonde_pipeline_fini(&worker.pipeline);
	sonde_config_fini(&worker.config);
	free(image.data);
	return 0;
}
