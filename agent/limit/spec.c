// SPDX-License-Identifier: Apache-2.0
#include "agent/limit/spec.h"

#include "agent/core/clock.h"

enum {
	PORT_MAX = 65535,
	BURST_MIN = 10,
	BURST_MAX_S = 9 * 3600,	     /* what a word of the kernel's table holds */
	BURST_PARTS = 10,	     /* of a second's rate, when no burst is given */
	BURST_BYTES_MIN = 128 << 10, /* a packet that the card has put together, and one more */
};
#define RATE_MAX UINT64_C(1000000000000)

static const char *const per_names[] = { "source", "/24", "/64", "rule", NULL };
static const char *const unit_names[] = { "packets", "bytes", "connections", "requests", NULL };
static const char *const proto_names[] = { "any", "tcp", "udp", "icmp", NULL };
static const char *const action_names[] = { "drop", "count", NULL };

const char *const sonde_limit_spec_keys[] = { "iface",	"src",	"per",	    "dport",
					      "proto",	"rate", "burst",    "unit",
					      "action", "ttl",	"priority", NULL };

void sonde_limit_spec_init(struct sonde_limit_spec *spec)
{
	*spec = (struct sonde_limit_spec){ .priority = SONDE_LIMIT_PRIORITY };
}

/* ---- single values ---- */

static const char *check_word(struct sonde_slice text, size_t max, const char *allowed,
			      const char *wrong)
{
	if (!text.len)
		return "is empty";
	if (text.len > max)
		return "is too long";
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		bool plain =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!plain && (!c || !strchr(allowed, c)))
			return wrong;
	}
	return NULL;
}

const char *sonde_limit_check_name(struct sonde_slice text)
{
	const char *wrong = check_word(text, SONDE_LIMIT_NAME - 1, "-_.",
				       "holds other characters than letters, digits, - _ and .");

	return wrong ? wrong : text.ptr[0] == '-' ? "begins with a dash" : NULL;
}

const char *sonde_limit_check_iface(struct sonde_slice text)
{
	const char *wrong = check_word(text, SONDE_LIMIT_IFACE - 1, "-_.:@+#",
				       "is not the name of a network interface");

	if (!wrong && (text.ptr[0] == '-' || text.ptr[0] == '.'))
		return "is not the name of a network interface";
	return wrong;
}

const char *sonde_limit_check_network(struct sonde_slice text)
{
	struct sonde_limit_network n;

	return sonde_limit_network_parse(text, &n);
}

static const char *parse_ports(struct sonde_slice text, uint16_t *first, uint16_t *last)
{
	size_t dash = sonde_slice_find(text, 0, '-');
	uint64_t from, to;

	if (sonde_slice_u64(sonde_slice_sub(text, 0, dash), 10, &from))
		return "is neither a port nor a range of them";
	to = from;
	if (dash < text.len && sonde_slice_u64(sonde_slice_from(text, dash + 1), 10, &to))
		return "is neither a port nor a range of them";
	if (from < 1 || to > PORT_MAX || from > PORT_MAX)
		return "is not from 1 to 65535";
	if (from > to)
		return "ends before it begins";
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return NULL;
}

const char *sonde_limit_check_ports(struct sonde_slice text)
{
	uint16_t first, last;

	return parse_ports(text, &first, &last);
}

const char *sonde_limit_check_rate(struct sonde_slice text)
{
	uint64_t v;

	return sonde_limit_rate_parse(text, &v);
}

const char *sonde_limit_check_burst(struct sonde_slice text)
{
	uint64_t v;

	return sonde_limit_count_parse(text, &v);
}

const char *sonde_limit_check_ttl(struct sonde_slice text)
{
	uint64_t v;

	return sonde_limit_ttl_parse(text, &v);
}

static const char *parse_choice(struct sonde_slice text, const char *const *names, uint8_t *out)
{
	for (uint8_t i = 0; names[i]; i++) {
		if (!sonde_slice_eq(text, sonde_slice_str(names[i])))
			continue;
		*out = i;
		return NULL;
	}
	return "is none of the choices";
}

static const char *parse_priority(struct sonde_slice text, uint32_t *out)
{
	uint64_t v;

	if (sonde_slice_u64(text, 10, &v) || v > SONDE_LIMIT_PRIORITY_MAX)
		return "is no whole number from 0 to 65535";
	*out = (uint32_t)v;
	return NULL;
}

static const char *copy_word(struct sonde_slice text, const char *wrong, char *out)
{
	if (wrong)
		return wrong;
	memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
	return NULL;
}

/* ---- by key ---- */

static const char *set_name(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return copy_word(text, sonde_limit_check_name(text), s->name);
}

static const char *set_iface(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return copy_word(text, sonde_limit_check_iface(text), s->iface);
}

static const char *set_source(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return sonde_limit_network_parse(text, &s->source);
}

static const char *set_per(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return parse_choice(text, per_names, &s->per);
}

static const char *set_ports(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return parse_ports(text, &s->port_first, &s->port_last);
}

static const char *set_proto(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return parse_choice(text, proto_names, &s->proto);
}

static const char *set_rate(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return sonde_limit_rate_parse(text, &s->rate);
}

static const char *set_burst(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return sonde_limit_count_parse(text, &s->burst);
}

static const char *set_unit(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return parse_choice(text, unit_names, &s->unit);
}

static const char *set_action(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return parse_choice(text, action_names, &s->action);
}

static const char *set_ttl(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return sonde_limit_ttl_parse(text, &s->ttl_ns);
}

static const char *set_priority(struct sonde_limit_spec *s, struct sonde_slice text)
{
	return parse_priority(text, &s->priority);
}

static const struct key {
	const char *name;
	const char *(*set)(struct sonde_limit_spec *s, struct sonde_slice text);
	const char *const *choices;
	const char *form;
} keys[] = {
	{ "name", set_name, NULL, "letters, digits, - _ and ., at most 31" },
	{ "iface", set_iface, NULL, "the name of a network interface such as eth0" },
	{ "src", set_source, NULL, "a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8" },
	{ "per", set_per, per_names, "source, /24, /64 or rule" },
	{ "dport", set_ports, NULL, "a port such as 443 or a range such as 8000-8099" },
	{ "proto", set_proto, proto_names, "tcp, udp, icmp or any" },
	{ "rate", set_rate, NULL, "100/s, 10K/s or 1M/s" },
	{ "burst", set_burst, NULL, "a number such as 200 or 10K" },
	{ "unit", set_unit, unit_names, "packets, bytes, connections or requests" },
	{ "action", set_action, action_names, "drop or count" },
	{ "ttl", set_ttl, NULL, "a time such as 90s, 10m, 1h or 7d, or none" },
	{ "priority", set_priority, NULL, "a number, the lower the earlier" },
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

const char *const *sonde_limit_spec_choices(const char *key)
{
	const struct key *k = find_key(key);

	return k ? k->choices : NULL;
}

const char *sonde_limit_spec_form(const char *key)
{
	const struct key *k = find_key(key);

	return k ? k->form : "";
}

const char *sonde_limit_spec_set(struct sonde_limit_spec *spec, const char *key,
				 struct sonde_slice text)
{
	const struct key *k = find_key(key);

	return k ? k->set(spec, text) : "is of no key that a rule has";
}

static void put_ports(const struct sonde_limit_spec *s, struct sonde_buf *out)
{
	if (!s->port_first)
		sonde_buf_put_str(out, "any");
	else if (s->port_first == s->port_last)
		sonde_buf_put_u64(out, s->port_first);
	else
		sonde_buf_printf(out, "%u-%u", s->port_first, s->port_last);
}

/* NAMES[I], should a field hold what it must not. */
static const char *name_of(const char *const *names, size_t n, uint8_t i)
{
	return i < n ? names[i] : "?";
}

void sonde_limit_spec_get(const struct sonde_limit_spec *s, const char *key, struct sonde_buf *out)
{
	if (strcmp(key, "name") == 0)
		sonde_buf_put_str(out, s->name);
	else if (strcmp(key, "iface") == 0)
		sonde_buf_put_str(out, s->iface);
	else if (strcmp(key, "src") == 0 && !s->source.bits)
		sonde_buf_put_str(out, "any");
	else if (strcmp(key, "src") == 0)
		sonde_limit_network_print(&s->source, out);
	else if (strcmp(key, "per") == 0)
		sonde_buf_put_str(out, name_of(per_names, SONDE_LIMIT_PERS, s->per));
	else if (strcmp(key, "dport") == 0)
		put_ports(s, out);
	else if (strcmp(key, "proto") == 0)
		sonde_buf_put_str(out, name_of(proto_names, SONDE_LIMIT_PROTOS, s->proto));
	else if (strcmp(key, "rate") == 0)
		sonde_limit_rate_print(s->rate, out);
	else if (strcmp(key, "burst") == 0)
		sonde_limit_count_print(s->burst, out);
	else if (strcmp(key, "unit") == 0)
		sonde_buf_put_str(out, name_of(unit_names, SONDE_LIMIT_UNITS, s->unit));
	else if (strcmp(key, "action") == 0)
		sonde_buf_put_str(out, name_of(action_names, SONDE_LIMIT_ACTIONS, s->action));
	else if (strcmp(key, "ttl") == 0)
		sonde_limit_ttl_print(s->ttl_ns, out);
	else if (strcmp(key, "priority") == 0)
		sonde_buf_put_u64(out, s->priority);
}

void sonde_limit_spec_print(const struct sonde_limit_spec *spec, struct sonde_buf *out)
{
	for (size_t i = 0; sonde_limit_spec_keys[i]; i++) {
		const char *key = sonde_limit_spec_keys[i];
		bool any = (strcmp(key, "src") == 0 && !spec->source.bits) ||
			   (strcmp(key, "dport") == 0 && !spec->port_first) ||
			   (strcmp(key, "proto") == 0 && spec->proto == SONDE_LIMIT_PROTO_ANY);

		if (any)
			continue;
		sonde_buf_printf(out, "%s%s=", i ? " " : "", key);
		sonde_limit_spec_get(spec, key, out);
	}
}

/* ---- as a whole ---- */

static uint64_t default_burst(const struct sonde_limit_spec *s)
{
	uint64_t least = s->unit == SONDE_LIMIT_BYTES ? BURST_BYTES_MIN : BURST_MIN;
	uint64_t part = s->rate / BURST_PARTS;

	return part > least ? part : least;
}

/* What is missing, or outside of its range: for specs that did not come through _set(). */
static const char *check_fields(const struct sonde_limit_spec *s)
{
	if (!memchr(s->name, 0, sizeof(s->name)) ||
	    sonde_limit_check_name(sonde_slice_str(s->name)))
		return "has no name that could be one";
	if (!memchr(s->iface, 0, sizeof(s->iface)) || !s->iface[0])
		return "needs an interface: iface";
	if (sonde_limit_check_iface(sonde_slice_str(s->iface)))
		return "has no interface that could be one";
	if (!s->rate)
		return "needs a rate such as 100/s";
	if (s->rate > RATE_MAX || s->burst > RATE_MAX)
		return "has a rate or burst beyond 1000G";
	if (s->per >= SONDE_LIMIT_PERS || s->unit >= SONDE_LIMIT_UNITS ||
	    s->proto >= SONDE_LIMIT_PROTOS || s->action >= SONDE_LIMIT_ACTIONS ||
	    s->source.bits > 128 || s->port_first > s->port_last ||
	    (!s->port_first && s->port_last) || s->priority > SONDE_LIMIT_PRIORITY_MAX)
		return "has a value out of range";
	return NULL;
}

static const char *check_together(const struct sonde_limit_spec *s)
{
	bool tcp_only = s->unit == SONDE_LIMIT_CONNECTIONS || s->unit == SONDE_LIMIT_REQUESTS;

	if (tcp_only && s->proto != SONDE_LIMIT_PROTO_TCP)
		return "counts connections or requests, which only proto tcp has";
	if (s->burst / s->rate >= BURST_MAX_S)
		return "has a burst of more than 9 hours at its rate";
	if (s->port_first && s->proto == SONDE_LIMIT_PROTO_ICMP)
		return "has a dport, which proto icmp has not";
	return NULL;
}

const char *sonde_limit_spec_complete(struct sonde_limit_spec *spec)
{
	struct sonde_limit_spec s = *spec;
	const char *wrong = check_fields(&s);

	if (wrong)
		return wrong;
	if (s.proto == SONDE_LIMIT_PROTO_ANY &&
	    (s.unit == SONDE_LIMIT_CONNECTIONS || s.unit == SONDE_LIMIT_REQUESTS))
		s.proto = SONDE_LIMIT_PROTO_TCP;
	if (!s.burst)
		s.burst = default_burst(&s);
	if (!s.ttl_ns)
		s.ttl_ns = SONDE_LIMIT_TTL_S * SONDE_NS_PER_SEC;
	wrong = check_together(&s);
	if (!wrong)
		*spec = s;
	return wrong;
}

bool sonde_limit_spec_equal(const struct sonde_limit_spec *a, const struct sonde_limit_spec *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->iface, b->iface) == 0 &&
	       memcmp(&a->source, &b->source, sizeof(a->source)) == 0 &&
	       a->port_first == b->port_first && a->port_last == b->port_last && a->per == b->per &&
	       a->unit == b->unit && a->proto == b->proto && a->action == b->action &&
	       a->priority == b->priority && a->rate == b->rate && a->burst == b->burst &&
	       a->ttl_ns == b->ttl_ns;
}
