// SPDX-License-Identifier: Apache-2.0
/*
 * The limiter against the model in agent/limit, which was written from the same words by somebody
 * else: millions of mutated packets, no difference in any verdict, outcome or count.
 *
 *   SONDE_LIMIT_PACKETS=20000000 build/tests/bpf/limit_model_test
 */
#include "tests/bpf/limit_frames.h"

#include "agent/limit/evaluate.h"

enum {
	PACKETS = 2000000,
	SOURCES = 512,
	TEMPLATES = 24,
	RULES = 9,
	LINES = 1 << 16,
	MEAN_GAP_NS = 300
};

#define IFACE "lo"

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % below;
}

/* ---- packets ---- */

static void network_layer(struct frame *f, uint32_t which, uint32_t source)
{
	frame_ether(f);
	for (uint32_t i = which % 3; i > 0; i--)
		frame_vlan(f, i == 2 ? 0x88a8 : 0x8100);
	if (which & 1) {
		frame_ipv6(f, source);
		if (which & 4)
			frame_extension(f, 0, (uint8_t)draw(2));
		if (which & 8)
			frame_extension(f, which & 2 ? 51 : 60, 1);
		if (which & 16)
			frame_extension(f, 44, 0);
	} else {
		frame_ipv4(f, source, which & 4 ? draw(11) : 0, which & 8 ? draw(1 << 16) : 0);
	}
}

static void make_packet(struct frame *f)
{
	network_layer(f, draw(32), draw(SOURCES));
	switch (draw(7)) {
	case 0:
		frame_tcp(f, 80 + draw(4), 0x02, "");
		break;
	case 1:
		frame_tcp(f, 80 + draw(4), 0x18, draw(2) ? "GET / HTTP/1.1" : "POST /x");
		break;
	case 2:
		frame_tcp(f, 443, 0x10, "");
		break;
	case 3:
		frame_udp(f, 5000 + draw(3), 53);
		break;
	case 4:
		frame_icmp(f, draw(2) ? 8 : 135);
		break;
	case 5:
		frame_udp(f, f->v6 ? 546 : 68, f->v6 ? 547 : 67);
		break;
	default:
		f->at[f->next_at] = (uint8_t)draw(256);
		frame_put(f, draw(40));
	}
}

/* Changes some bytes, but no source; cuts its end off, but not the Ethernet header. */
static void mutate(struct frame *f)
{
	size_t source_len = f->v6 ? 16 : 4;

	for (uint32_t n = draw(4); n > 0; n--) {
		size_t at = 12 + draw((uint32_t)f->len - 12);

		if (at < f->source_at || at >= f->source_at + source_len)
			f->at[at] =
				draw(3) ? (uint8_t)draw(256) : (uint8_t)(f->at[at] ^ 1u << draw(8));
	}
	if (!draw(8))
		f->len = 14 + draw((uint32_t)f->len - 13);
}

/* ---- rules, as a person writes them, and as the kernel is given them ---- */

static const char *const texts[RULES][9] = {
	{ "rate=500/s", "burst=5", "unit=connections", "dport=80-81" },
	{ "rate=1000/s", "burst=9", "unit=requests", "dport=82" },
	{ "rate=1000000/s", "burst=20000", "unit=bytes", "src=10.0.0.0/25" },
	{ "rate=2000/s", "burst=7", "per=/24", "proto=udp", "action=count" },
	{ "rate=1000/s", "burst=3", "proto=icmp" },
	{ "rate=500/s", "burst=4", "per=/64", "src=fd00::/16", "proto=tcp", "dport=443" },
	{ "rate=10000/s", "burst=50", "per=rule", "proto=udp", "dport=53" },
	{ "rate=250/s", "burst=2", "src=10.0.0.7" },
	{ "rate=2000/s", "burst=40", "src=10.0.0.0/8" },
};

static struct sonde_limit_spec specs[RULES];
static struct sonde_limit_probe_rule rules[RULES];
static struct sonde_limit_allow allows[3];
static struct sonde_limit_probe_network allowed[3];

static void read_rule(size_t i)
{
	struct sonde_limit_spec *s = &specs[i];
	struct sonde_limit_probe_rule *r = &rules[i];

	sonde_limit_spec_init(s);
	snprintf(s->name, sizeof(s->name), "rule%zu", i);
	snprintf(s->iface, sizeof(s->iface), IFACE);
	for (size_t k = 0; texts[i][k]; k++) {
		const char *equals = strchr(texts[i][k], '=');
		char key[16];

		snprintf(key, sizeof(key), "%.*s", (int)(equals - texts[i][k]), texts[i][k]);
		assert_null(sonde_limit_spec_set(s, key, sonde_slice_str(equals + 1)));
	}
	assert_null(sonde_limit_spec_complete(s));
	*r = (struct sonde_limit_probe_rule){ .id = (uint32_t)i + 1,
					      .ifindex = BED_LOOPBACK,
					      .port_first = s->port_first,
					      .port_last = s->port_last,
					      .per = s->per,
					      .unit = s->unit,
					      .proto = s->proto,
					      .action = s->action,
					      .rate = s->rate,
					      .burst = s->burst,
					      .expires_ns = UINT64_MAX };
	memcpy(r->source.address, s->source.address, 16);
	r->source.bits = s->source.bits;
}

static void allow(size_t i, const char *text)
{
	assert_null(sonde_limit_network_parse(sonde_slice_str(text), &allows[i].network));
	memcpy(allowed[i].address, allows[i].network.address, 16);
	allowed[i].bits = allows[i].network.bits;
}

/* ---- the comparison ---- */

static uint32_t expected_outcome(const struct sonde_limit_packet *p,
				 const struct sonde_limit_outcome *o)
{
	static const uint8_t of_kind[] = { SONDE_XDP_PASSED, SONDE_XDP_NEIGHBOUR, SONDE_XDP_DHCP,
					   SONDE_XDP_NOT_IP, SONDE_XDP_MALFORMED };
	static const uint8_t of_verdict[] = { SONDE_XDP_PASSED,	   SONDE_XDP_DROPPED,
					      SONDE_XDP_UNMATCHED, SONDE_XDP_PASSED,
					      SONDE_XDP_ALLOWED,   SONDE_XDP_PASSED };

	return p->kind == SONDE_LIMIT_IP ? of_verdict[o->verdict] : of_kind[p->kind];
}

static void show(const struct frame *f, uint64_t number, uint32_t want, uint32_t got)
{
	printf("# packet %llu: wanted outcome %u, verdict %u:", (unsigned long long)number, want,
	       got);
	for (size_t i = 0; i < f->len; i++)
		printf(" %02x", f->at[i]);
	printf("\n");
}

static void the_program_and_the_model_agree_on_every_mutated_packet(void **unused)
{
	const char *asked = getenv("SONDE_LIMIT_PACKETS");
	uint64_t n = asked ? strtoull(asked, NULL, 10) : PACKETS,
		 counted[SONDE_XDP_OUTCOMES] = { 0 };
	struct sonde_limit_evaluator *model;
	struct sonde_xdp_iface_counts counts;
	struct bed b;

	(void)unused;
	for (size_t i = 0; i < RULES; i++)
		read_rule(i);
	allow(0, "10.0.0.32/29");
	allow(1, "fd00::2:0:0:0:0/80");
	allow(2, "10.0.1.1");
	assert_int_equal(sonde_limit_evaluator_new(specs, RULES, allows, 3, &model), 0);
	bed_open(&b, LINES);
	bed_apply(&b, &(struct sonde_limit_probe_set){ rules, RULES, allowed, 3 });
	for (uint64_t i = 0; i < n; i++) {
		struct sonde_limit_outcome o;
		struct sonde_limit_packet p;
		struct frame f;
		uint32_t want, got;

		make_packet(&f);
		mutate(&f);
		b.control->test_now_ns += draw(2 * MEAN_GAP_NS);
		sonde_limit_packet_read(sonde_slice_of(f.at, f.len), (uint32_t)f.len, &p);
		sonde_limit_evaluate(model, &p, IFACE, b.control->test_now_ns, &o);
		want = expected_outcome(&p, &o);
		counted[want]++;
		got = bed_run(&b, f.at, f.len);
		if (got != (want == SONDE_XDP_DROPPED ? BED_DROP : BED_PASS)) {
			show(&f, i, want, got);
			fail();
		}
	}
	counts = bed_counts(&b);
	for (int i = 0; i < SONDE_XDP_OUTCOMES; i++) {
		printf("# outcome %d: %llu\n", i, (unsigned long long)counts.packets[i]);
		assert_int_equal(counts.packets[i], counted[i]);
		assert_true(i == SONDE_XDP_UNLEASED || counted[i]);
	}
	assert_int_equal(counts.crowded + counts.contended + counts.skipped, 0);
	sonde_limit_evaluator_free(model);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_and_the_model_agree_on_every_mutated_packet),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
