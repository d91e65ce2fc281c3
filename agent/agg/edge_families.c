// SPDX-License-Identifier: Apache-2.0
/*
 * edge_families - the table of the metrics of edges: what each is called and means, and where in an
 * entry its values lie. The scrape and the manual page sonde-metrics(7) are walks over it.
 *
 * A family has a point per entry of its kinds, or several that differ in one more label; those lie
 * STRIDE bytes apart.
 */
#include "agent/agg/edge_store.h"

enum read {
	READ_COUNT = 0,	  /* uint64_t */
	READ_SECONDS = 1, /* uint64_t, nanoseconds */
	READ_PINS = 2,
	READ_HISTOGRAM = 3,
};

/* Most entries never have most of these: what is left out keeps a scrape short. */
enum show {
	SHOW_ALWAYS = 0,
	SHOW_NONZERO = 1,
	SHOW_PINNED = 2,    /* while there is anything that it is measured on */
	SHOW_REQUESTED = 3, /* for edges that have requests */
};

/* The label that tells the points of one entry apart. */
struct dimension {
	const char *key;
	const char *const *values;
	size_t n;
	size_t stride;
};

struct family {
	uint8_t kinds; /* 1 << enum sonde_edge_kind */
	uint8_t read;
	uint8_t show;
	uint16_t offset;
	const struct dimension *by; /* NULL: one point an entry */
	struct sonde_metric_desc desc;
};

/* Items of a cursor: an entry's number, and which of its points. */
enum { POINTS_MAX = 8 };

static const char *const directions[] = { "to_server", "to_client" };
static const char *const sides[] = { "server", "client" };
static const char *const parts[] = { "network", "queue", "application", "transfer", "unknown" };
static const char *const failures[] = { "refused", "timed_out", "unreachable", "reset", "aborted" };

static const struct dimension by_direction = { "direction", directions, 2,
					       sizeof(struct sonde_travel) };
static const struct dimension by_side = { "side", sides, 2, sizeof(uint64_t) };
static const struct dimension by_part = { "part", parts, SONDE_EDGE_PARTS, sizeof(uint64_t) };
static const struct dimension by_failure = { "reason", failures, SONDE_CONNECT_ERRORS - 1,
					     sizeof(uint64_t) };

#define KIND(k)	   (1u << SONDE_EDGE_##k)
#define EDGE(m)	   offsetof(struct sonde_edge, m)
#define SERVICE(m) offsetof(struct sonde_edge_service, m)

#define COUNTER(n, u, h)                                                            \
	{                                                                           \
		.name = (n), .unit = (u), .help = (h), .type = SONDE_METRIC_COUNTER \
	}
#define GAUGE(n, u, h)                                                            \
	{                                                                         \
		.name = (n), .unit = (u), .help = (h), .type = SONDE_METRIC_GAUGE \
	}
#define DURATION(n, s, h)                                                              \
	{                                                                              \
		.name = (n), .unit = "s", .help = (h), .type = SONDE_METRIC_HISTOGRAM, \
		.bounds = (s).seconds, .n_bounds = SONDE_EDGE_BOUNDS                   \
	}

static const struct family families[] = {
	{ KIND(TCP), READ_COUNT, SHOW_ALWAYS, EDGE(opened), NULL,
	  COUNTER("sonde.tcp.connections.opened", "{connection}",
		  "TCP connections established, or found open by the agent.") },
	{ KIND(TCP), READ_COUNT, SHOW_ALWAYS, EDGE(closed), NULL,
	  COUNTER("sonde.tcp.connections.closed", "{connection}",
		  "TCP connections closed, in order or not.") },
	{ KIND(TCP), READ_PINS, SHOW_ALWAYS, 0, NULL,
	  GAUGE("sonde.tcp.connections.active", "{connection}", "TCP connections that are open.") },
	{ KIND(TCP), READ_COUNT, SHOW_NONZERO, EDGE(failed) + sizeof(uint64_t), &by_failure,
	  COUNTER("sonde.tcp.connections.failed", "{connection}",
		  "TCP connects that did not come to a connection, by the reason.") },
	{ KIND(TCP), READ_COUNT, SHOW_NONZERO, EDGE(resets) + sizeof(uint64_t), &by_side,
	  COUNTER("sonde.tcp.connections.reset", "{connection}",
		  "TCP connections that were reset, by the side that did it.") },
	{ KIND(TCP), READ_COUNT, SHOW_NONZERO, EDGE(timed_out), NULL,
	  COUNTER("sonde.tcp.connections.timed_out", "{connection}",
		  "TCP connections that ended because retransmissions stayed unanswered.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(connect), NULL,
	  DURATION("sonde.tcp.connect.duration", sonde_edge_trips,
		   "Time from the first SYN to established, at the client.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(accept), NULL,
	  DURATION("sonde.tcp.accept.duration", sonde_edge_trips,
		   "Time from established, or from the first payload if later, until the server's "
		   "application first read.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(connection_duration), NULL,
	  DURATION("sonde.tcp.connection.duration", sonde_edge_lives,
		   "Age at their end of connections whose beginning the agent saw.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(rtt), NULL,
	  DURATION("sonde.tcp.rtt", sonde_edge_trips,
		   "Smoothed round trip time of connections, at each look at them that found new "
		   "payload, and at their close.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(min_rtt), NULL,
	  DURATION("sonde.tcp.min_rtt", sonde_edge_trips,
		   "Least round trip time that TCP remembers of a connection, taken when the "
		   "smoothed one is.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(rtt_var), NULL,
	  DURATION("sonde.tcp.rtt.variation", sonde_edge_trips,
		   "Mean deviation of the round trip time (its jitter), taken when the smoothed "
		   "one is.") },
	{ KIND(TCP), READ_COUNT, SHOW_ALWAYS, EDGE(counts.to_server.bytes), &by_direction,
	  COUNTER("sonde.tcp.bytes", "By", "Payload carried by TCP, without retransmissions.") },
	{ KIND(TCP), READ_COUNT, SHOW_ALWAYS, EDGE(counts.to_server.segments), &by_direction,
	  COUNTER("sonde.tcp.segments", "{segment}",
		  "TCP segments, with and without payload, retransmissions included.") },
	{ KIND(TCP), READ_COUNT, SHOW_ALWAYS, EDGE(counts.to_server.retransmits), &by_direction,
	  COUNTER("sonde.tcp.retransmits", "{segment}", "TCP segments that were sent again.") },
	{ KIND(TCP), READ_COUNT, SHOW_NONZERO, EDGE(counts.to_server.out_of_order), &by_direction,
	  COUNTER("sonde.tcp.out_of_order", "{segment}",
		  "TCP segments that were received out of order, where the receiving end is on "
		  "this node.") },
	{ KIND(TCP), READ_COUNT, SHOW_NONZERO, EDGE(counts.zero_windows), NULL,
	  COUNTER("sonde.tcp.zero_windows", "{segment}",
		  "TCP segments, both ways, that told the other end to send nothing more.") },
	{ KIND(TCP), READ_SECONDS, SHOW_NONZERO, EDGE(counts.rwnd_limited_ns), NULL,
	  COUNTER("sonde.tcp.rwnd_limited", "s",
		  "Time that the reporting end could not send because the other end's receive "
		  "window was full.") },
	{ KIND(TCP), READ_SECONDS, SHOW_NONZERO, EDGE(counts.sndbuf_limited_ns), NULL,
	  COUNTER("sonde.tcp.sndbuf_limited", "s",
		  "Time that the reporting end could not send because its send buffer was "
		  "full.") },
	{ KIND(SERVICE), READ_COUNT, SHOW_NONZERO, SERVICE(listen_dropped), NULL,
	  COUNTER("sonde.tcp.listen.dropped", "{connection}",
		  "SYNs and handshakes refused by listening sockets: queue full, or no memory.") },
	{ KIND(SERVICE), READ_COUNT, SHOW_PINNED, SERVICE(backlog), NULL,
	  GAUGE("sonde.tcp.listen.backlog", "{connection}",
		"Connections that wait to be accepted.") },
	{ KIND(SERVICE), READ_COUNT, SHOW_PINNED, SERVICE(backlog_max), NULL,
	  GAUGE("sonde.tcp.listen.backlog.limit", "{connection}",
		"Connections that may wait to be accepted, at most.") },
	{ KIND(UDP), READ_COUNT, SHOW_ALWAYS, EDGE(opened), NULL,
	  COUNTER("sonde.udp.flows.opened", "{flow}", "UDP flows that began.") },
	{ KIND(UDP), READ_COUNT, SHOW_ALWAYS, EDGE(closed), NULL,
	  COUNTER("sonde.udp.flows.closed", "{flow}",
		  "UDP flows that ended: by silence, or with their socket.") },
	{ KIND(UDP), READ_PINS, SHOW_ALWAYS, 0, NULL,
	  GAUGE("sonde.udp.flows.active", "{flow}", "UDP flows that are under way.") },
	{ KIND(UDP), READ_COUNT, SHOW_ALWAYS, EDGE(counts.to_server.bytes), &by_direction,
	  COUNTER("sonde.udp.bytes", "By", "Payload carried by UDP.") },
	{ KIND(UDP), READ_COUNT, SHOW_ALWAYS, EDGE(counts.to_server.segments), &by_direction,
	  COUNTER("sonde.udp.packets", "{packet}", "UDP packets.") },
	{ KIND(SERVICE), READ_COUNT, SHOW_NONZERO, SERVICE(udp_unreachable), NULL,
	  COUNTER("sonde.udp.port_unreachable", "{packet}",
		  "ICMP \"port unreachable\" that UDP sockets were told of.") },
	{ KIND(SERVICE), READ_COUNT, SHOW_NONZERO, SERVICE(udp_dropped), NULL,
	  COUNTER("sonde.udp.receive_queue.dropped", "{packet}",
		  "UDP packets dropped because the receive queue of their socket was full.") },
	{ KIND(DROPPED), READ_COUNT, SHOW_NONZERO, offsetof(struct sonde_edge_drops, packets), NULL,
	  COUNTER("sonde.packets.dropped", "{packet}",
		  "Packets that the kernel dropped, by its own reason.") },
	{ KIND(TCP), READ_COUNT, SHOW_REQUESTED, EDGE(requests), NULL,
	  COUNTER("sonde.service_edge.requests", "{request}",
		  "Requests from one service to another.") },
	{ KIND(TCP), READ_COUNT, SHOW_REQUESTED, EDGE(errors), NULL,
	  COUNTER("sonde.service_edge.errors", "{request}", "Of these, those that failed.") },
	{ KIND(TCP), READ_HISTOGRAM, SHOW_NONZERO, EDGE(request_duration), NULL,
	  DURATION("sonde.service_edge.request.duration", sonde_edge_requests,
		   "Duration of requests from one service to another.") },
	{ KIND(TCP), READ_SECONDS, SHOW_NONZERO, EDGE(part_ns), &by_part,
	  COUNTER("sonde.service_edge.request.parts", "s",
		  "Where the duration of requests went; all parts together are its sum. Requests "
		  "without an answer are unknown; where the kernel does not tell of reads the "
		  "queue is within application.") },
};

static const size_t n_families = sizeof(families) / sizeof(families[0]);

_Static_assert(SONDE_EDGE_PARTS <= (int)POINTS_MAX && SONDE_CONNECT_ERRORS - 1 <= (int)POINTS_MAX,
	       "a cursor can tell the points of an entry apart");

static void label(struct sonde_metric_point *out, const char *key, struct sonde_slice value)
{
	out->labels[out->n_labels++] = (struct sonde_label){ key, value };
}

static void label_entry(const struct sonde_edge_entry *t, struct sonde_metric_point *out)
{
	switch (t->kind) {
	case SONDE_EDGE_SERVICE:
		label(out, "service.name", sonde_text_slice(t->a));
		break;
	case SONDE_EDGE_DROPPED:
		label(out, "service.name", sonde_text_slice(t->a));
		label(out, "reason", sonde_text_slice(t->b));
		break;
	default:
		label(out, "client.service", sonde_text_slice(t->a));
		label(out, "server.service", sonde_text_slice(t->b));
	}
}

static uint64_t value_at(const struct family *f, const struct sonde_edge_entry *t, size_t i)
{
	const uint8_t *at = (const uint8_t *)t + f->offset + (f->by ? i * f->by->stride : 0);
	uint64_t value;

	if (f->read == READ_PINS)
		return t->pins;
	memcpy(&value, at, sizeof(value));
	return value;
}

static bool is_shown(const struct family *f, const struct sonde_edge_entry *t, uint64_t value)
{
	switch (f->show) {
	case SHOW_NONZERO:
		return value != 0;
	case SHOW_PINNED:
		return t->pins != 0;
	case SHOW_REQUESTED:
		return ((const struct sonde_edge *)t)->requests != 0;
	default:
		return true;
	}
}

static bool read_value(const struct family *f, const struct sonde_edge_entry *t, size_t i,
		       struct sonde_metric_point *out)
{
	uint64_t value = value_at(f, t, i);

	out->value = f->read == READ_SECONDS ? (double)value / 1e9 : (double)value;
	return is_shown(f, t, value);
}

static bool read_histogram(struct sonde_edges *e, const struct family *f,
			   const struct sonde_edge_entry *t, struct sonde_metric_point *out)
{
	const struct sonde_edge_histogram *h = (const void *)((const uint8_t *)t + f->offset);

	if (!h->cells.ptr)
		return false;
	sonde_edge_view_histogram(e, h, 0, &out->histogram);
	return true;
}

/* The I-th point of entry T. False: it is left out. */
static bool read_point(struct sonde_edges *e, const struct family *f,
		       const struct sonde_edge_entry *t, size_t i, struct sonde_metric_point *out)
{
	*out = (struct sonde_metric_point){ .desc = &f->desc, .start_unix_ns = t->start_unix_ns };
	label_entry(t, out);
	if (f->by)
		label(out, f->by->key, sonde_slice_str(f->by->values[i]));
	return f->read == READ_HISTOGRAM ? read_histogram(e, f, t, out) : read_value(f, t, i, out);
}

static bool next_of_family(struct sonde_edges *e, const struct family *f, size_t *item,
			   struct sonde_metric_point *out)
{
	size_t begun = *item / POINTS_MAX, i = *item % POINTS_MAX, n = f->by ? f->by->n : 1;
	size_t number = begun - (i != 0);
	const struct sonde_edge_entry *t;

	for (; (t = sonde_edge_store_next(e, f->kinds, &number)); i = 0) {
		/* The entry that was begun may be gone. */
		if (i && number != begun)
			i = 0;
		for (; i < n; i++) {
			if (!read_point(e, f, t, i, out))
				continue;
			*item = number * POINTS_MAX + (i + 1) % n;
			return true;
		}
	}
	return false;
}

static bool next_point(void *ctx, struct sonde_metric_cursor *cursor,
		       struct sonde_metric_point *out)
{
	for (; cursor->family < n_families; cursor->family++, cursor->item = 0) {
		if (next_of_family(ctx, &families[cursor->family], &cursor->item, out))
			return true;
	}
	return false;
}

struct sonde_metric_source sonde_edges_source(struct sonde_edges *e)
{
	return (struct sonde_metric_source){ .ctx = e, .next = next_point };
}

bool sonde_edges_family(size_t i, struct sonde_metric_family *out)
{
	static const char *const keys[SONDE_EDGE_KINDS][2] = {
		[SONDE_EDGE_TCP] = { "client.service", "server.service" },
		[SONDE_EDGE_UDP] = { "client.service", "server.service" },
		[SONDE_EDGE_SERVICE] = { "service.name" },
		[SONDE_EDGE_DROPPED] = { "service.name", "reason" },
	};
	const struct family *f;

	if (i >= n_families)
		return false;
	f = &families[i];
	*out = (struct sonde_metric_family){ .desc = &f->desc };
	for (size_t k = 0; k < 2 && keys[__builtin_ctz(f->kinds)][k]; k++)
		out->labels[out->n_labels++] = keys[__builtin_ctz(f->kinds)][k];
	if (f->by) {
		out->labels[out->n_labels++] = f->by->key;
		out->values = f->by->values;
		out->n_values = f->by->n;
	}
	return true;
}
